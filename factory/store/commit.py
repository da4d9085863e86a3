"""Commit the work of one task of many, once, whatever number of attempts at it run and die.

An attempt writes under names of its own and then creates the task's marker by a conditional write, so of all attempts
exactly one counts. Readers know only what markers name; what a lost or killed attempt wrote is rubbish that nobody
sees and that is removed with the plan's directory.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from factory.store.fs import Store


def new_attempt() -> str:
    """An id that no other attempt has."""
    return uuid.uuid4().hex


def committed(store: Store, marker: str) -> dict[str, Any] | None:
    """What the attempt that counts has recorded, or None while there is none."""
    try:
        return dict(json.loads(store.read(marker)))
    except FileNotFoundError:
        return None


def commit(store: Store, marker: str, record: dict[str, Any], attempt: str) -> dict[str, Any]:
    """Try to make this attempt the one that counts. Returns the record that does: ours or another's.

    A lost answer makes the second try of our own write meet its first one; `Store.create` reads the marker then and
    compares, and the attempt's id in it tells ours from another's.
    """
    ours = {"attempt": attempt, **record}
    if store.create(marker, (json.dumps(ours, sort_keys=True) + "\n").encode()):
        return ours
    theirs = committed(store, marker)
    if theirs is None:
        raise FileNotFoundError(marker)
    return theirs
