"""Split a journal into partitions that can be published one by one: ranges of problem hashes, with their rows' places.

Reads only the tables of contents of the parts, so planning twenty million traces is a matter of footers.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from factory.arrow import SCHEMA_VERSION
from factory.recipe import Publish
from factory.records import Annotation, Trace
from factory.store.fs import Entry
from factory.store.ids import hash_of
from factory.store.kinds import KINDS
from factory.store.parts import PartInfo
from factory.store.run import Run
from factory.store.view import View

PARTITION_BYTES = 512 << 20  # of journaled rows before compression; a task holds about twice this
LAYOUT_VERSION = 2  # raised when the same journal would be published differently
_KINDS = tuple(row for row, kind in KINDS.items() if kind.published)

RowGroups = list[tuple[Entry, list[int]]]  # parts, and the row groups to read of each


@dataclass(frozen=True, slots=True)
class Partition:
    """One range of problem hashes: everything that publishing it has to read."""

    number: int
    of: int
    row_groups: dict[type, RowGroups]

    def holds(self, owner: str) -> bool:
        return _number(hash_of(owner), self.of) == self.number


@dataclass(frozen=True, slots=True)
class Plan:
    """How one state of a journal is published. Equal journals and settings have equal plans, and equal ids."""

    id: str
    fingerprint: str
    settings: Publish
    view: View
    annotations: tuple[str, ...] = ()
    """Names of annotations that the journal holds."""
    keyed: bool = False
    """Whether it holds samples of other tasks or teachers than the usual ones."""
    row_version: int = 1

    @property
    def directory(self) -> str:
        """Where unfinished work of this plan is stored."""
        return f"publish/{self.id}/"


def make_plan(run: Run, settings: Publish, view: View, partition_bytes: int) -> tuple[Plan, list[Partition]]:
    """Read the journal's tables of contents and cut it into partitions of about `partition_bytes`."""
    reader = run.reader()
    infos = {kind: reader.parts(kind) for kind in _KINDS}
    partitions = cut(infos, partition_bytes)
    count = len(partitions)
    names = tuple(sorted({name for info in infos[Annotation] for name in info.tally}))
    keyed = any(heading.count("/") > 1 for info in infos[Trace] for heading in info.tally)
    plan = Plan(
        id=_identity(infos, settings, view, count, run.row_version),
        fingerprint=run.fingerprint,
        settings=settings,
        view=view.extended(names, keyed=keyed, row_version=run.row_version),
        annotations=names,
        keyed=keyed,
        row_version=run.row_version,
    )
    return plan, partitions


def cut(infos: dict[type, list[PartInfo]], partition_bytes: int) -> list[Partition]:
    """Partitions of about `partition_bytes`, of the rows of these parts by their kind."""
    total = sum(sum(info.group_bytes) for kind in infos for info in infos[kind])
    return ranges(infos, max(1, -(-total // partition_bytes)))


def ranges(infos: dict[type, list[PartInfo]], count: int) -> list[Partition]:
    """`count` ranges of owners, each with the row groups that hold rows of its owners."""
    row_groups: list[dict[type, RowGroups]] = [{kind: [] for kind in infos} for _ in range(count)]
    for kind, of_kind in infos.items():
        for info in of_kind:
            for number, groups in _where(info, count).items():
                row_groups[number][kind].append((info.entry, groups))
    return [Partition(number, count, groups) for number, groups in enumerate(row_groups)]


def _where(info: PartInfo, count: int) -> dict[int, list[int]]:
    """The row groups of a part that each partition needs."""
    needed: dict[int, list[int]] = defaultdict(list)
    for group, owners in enumerate(info.groups):
        for number in sorted({_number(hash_of(owner), count) for owner in owners}):
            needed[number].append(group)
    return needed


def _number(owner_hash: int, count: int) -> int:
    return owner_hash * count >> 64


def _identity(infos: dict[type, list[PartInfo]], settings: Publish, view: View, count: int, row_version: int) -> str:
    basis: dict[str, Any] = {
        "parts": sorted((info.entry.key, info.entry.size) for kind in _KINDS for info in infos[kind]),
        "settings": settings.model_dump(),
        "partitions": count,
        "versions": [SCHEMA_VERSION, LAYOUT_VERSION],
    }
    if view.identity:
        basis["view"] = view.identity
    if row_version > 1:
        basis["row_version"] = row_version
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
