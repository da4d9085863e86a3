"""One sandbox for all tests that don't harm it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from factory.sandbox.local import LocalSandbox


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox() -> AsyncIterator[LocalSandbox]:
    """A sandbox with the default limits; tests that use it run on the session's event loop."""
    async with LocalSandbox() as opened:
        yield opened
