"""Best-fit-decreasing packing: which sequences share a pack of bounded length. Knows lengths and owners, no tokens."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def best_fit(lengths: Sequence[int], capacity: int, owners: Sequence[str] | None = None) -> list[list[int]]:
    """Packs of indices, each of a total length of at most `capacity`, which no length may exceed.

    The longest sequence goes first, each to the fullest pack that has room for it. With `owners`, no two sequences of
    one owner share a pack. Deterministic: ties go by index and by the age of a pack.
    """
    packs: list[list[int]] = []
    members: list[set[str]] = []
    room: list[tuple[int, int]] = []  # (what is left, pack), sorted
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        place = bisect_left(room, (length, -1))
        if owners is not None:
            while place < len(room) and owners[index] in members[room[place][1]]:
                place += 1
        if place < len(room):
            left, pack = room.pop(place)
        else:
            left, pack = capacity, len(packs)
            packs.append([])
            members.append(set())
        packs[pack].append(index)
        if owners is not None:
            members[pack].add(owners[index])
        if left > length:
            insort(room, (left - length, pack))
    return packs
