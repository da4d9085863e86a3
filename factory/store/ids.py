"""Ids that rows are looked up by, and 64-bit hashes of them, for joins over many problems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


def owner_key(row_id: str, kind: str = "problem") -> str:
    """`row_id` so that a thread and a problem of the same id stay apart."""
    return row_id if kind == "problem" else f"{kind}\0{row_id}"


def is_thread(owner: str) -> bool:
    return owner.startswith(owner_key("", "thread"))


def hash_of(owner: str) -> int:
    """The first 64 bits of BLAKE2b. Among a million owners two collide with a probability of 3e-8."""
    return int.from_bytes(hashlib.blake2b(owner.encode(), digest_size=8).digest(), "big")


def hashes_of(owners: Iterable[str]) -> Hashes:
    return np.fromiter((hash_of(owner) for owner in owners), dtype=np.uint64)


def contained(needles: Hashes, sorted_hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Which of `needles` occur in `sorted_hashes`: a boolean per needle."""
    if not len(sorted_hashes):
        return np.zeros(len(needles), dtype=bool)
    places = np.searchsorted(sorted_hashes, needles)
    places[places == len(sorted_hashes)] = 0
    return np.asarray(sorted_hashes[places] == needles, dtype=bool)
