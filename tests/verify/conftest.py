"""A measure of work that no busy machine disturbs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest


@pytest.fixture
def count_steps() -> Callable[[Callable[[], object]], int]:
    """Count the lines of Python that a call executes. Loops inside C code do not show; the benchmark times them."""

    def count(call: Callable[[], object]) -> int:
        steps = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal steps
            steps += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call()
        finally:
            sys.settrace(before)
        return steps

    return count
