"""Which process runs which test where several share the work (`pytest -n 2`, from pytest-xdist).

A file stays in one process. All files that use this session's Ray cluster or vLLM engine stay in the same one, so that
there is one of each. What starts processes of its own comes first, as it takes longest and mostly waits.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).resolve().parent.parent
_SHARED = re.compile(r"\bray_local\b|\bmark\.engine\b.*async def test_\w+\([^)]*\bengine\b", re.DOTALL)
_LENGTHY = re.compile(r"\bmark\.(?:ray|engine|s3)\b")


class ByNeed(LoadScopeScheduling):
    """pytest-xdist's scheduler, with the scopes that this suite has."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "shared" if _SHARED.search(_text(file)) else file


@cache
def _text(file: str) -> str:
    return (_ROOT / file).read_text(encoding="utf-8")


def _turn(item: pytest.Item) -> int:
    text = _text(item.nodeid.partition("::")[0])
    return 0 if _SHARED.search(text) else 1 if _LENGTHY.search(text) else 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByNeed:
    config.option.loadscopereorder = False  # by number of tests, which says little of how long they take
    return ByNeed(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several
        items.sort(key=_turn)
