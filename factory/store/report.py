"""What publishing counted: one table of cells from which every sum of the funnel and the card can be made.

A cell is a tuple of strings that begins with its table's name:

    ("problem", source, outcome)                     "verdict", "unfinished", or kind/stage/reason of the reject
    ("curated", source, "threads")                   threads that state problems;
    ("curated", source, "found" or "passed")         the problems they state, and those of them that continue
    ("trace", mode, tool, source, bucket, outcome)   distinct samples in the journal: "published", or why not
    ("tokens", mode, tool)                           tokens of published traces, prompt and tool output included
    ("length", mode, tool, upper edge)               published traces by tokens; edges are powers of the root of two
    ("pass_rate", regime, "passed/count")            problems with a verdict
    ("reference", source, change)                    problems with a verdict: reference "kept", "filled", "replaced"
    ("license", licence)                             published traces, by the licence of the problem's page
    ("license_of_replies", licence)                  of these, where the reference was read from replies under another
    ("copy",)                                        rows that the journal holds once more
    ("lost",)                                        traces that a verdict names and the journal lacks
    ("damaged",)                                     row groups of the journal that could not be read
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

PUBLISHED = "published"
Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishReport:
    """Counts of one published version. Reports of disjoint sets of problems add up."""

    cells: Counter[Cell] = field(default_factory=Counter)

    def __add__(self, other: PublishReport) -> PublishReport:
        return PublishReport(self.cells + other.cells)

    def count(self, table: str, *keys: str, n: int = 1) -> None:
        self.cells[(table, *keys)] += n

    def table(self, name: str) -> dict[Cell, int]:
        """One table's cells, its name left out, in the order of their keys."""
        return {cell[1:]: n for cell, n in sorted(self.cells.items()) if cell[0] == name}

    def by(self, name: str, *positions: int) -> dict[Cell, int]:
        """A table summed over all keys but those at `positions`."""
        sums: Counter[Cell] = Counter()
        for keys, n in self.table(name).items():
            sums[tuple(keys[p] for p in positions)] += n
        return dict(sums)

    @property
    def problems(self) -> dict[str, int]:
        """Problems and threads by outcome."""
        return {outcome: n for (outcome,), n in self.by("problem", 1).items()}

    @property
    def curated(self) -> dict[str, int]:
        """What came of threads: those that state problems ("threads"), and the problems "found" and "passed" on."""
        return {what: n for (what,), n in self.by("curated", 1).items()}

    @property
    def traces(self) -> dict[str, int]:
        """Traces by outcome: "published", or the reason why not."""
        return {outcome: n for (outcome,), n in self.by("trace", 4).items()}

    @property
    def generated(self) -> int:
        """Distinct traces in the journal: the published and the rejected ones."""
        return sum(self.traces.values())

    @property
    def published(self) -> int:
        return self.traces.get(PUBLISHED, 0)

    @property
    def lost(self) -> int:
        """Traces that a verdict names and the journal does not hold: zero unless storage lost something."""
        return self.cells[("lost",)]

    @property
    def damaged(self) -> int:
        """Row groups of the journal that could not be read, each once for every partition that needed it."""
        return self.cells[("damaged",)]

    def to_json(self) -> list[list[str | int]]:
        return [[*cell, n] for cell, n in sorted(self.cells.items())]

    @staticmethod
    def from_json(rows: Iterable[list[Any]]) -> PublishReport:
        return PublishReport(Counter({tuple(row[:-1]): row[-1] for row in rows}))
