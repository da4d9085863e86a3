"""What a report shows of traces, verdicts and rejects, summed up column by column from the journal.

Memory does not grow with the traces: lengths become counts by bin, and of rows only a few to read are kept. Traces that
the journal holds twice count twice here (publishing counts each once); problems count once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from factory.records import STRONGEST_FIRST, CuratedThread, Mode, Reject, Trace, Verdict
from factory.report.columnar import counts, flat
from factory.store.counts import RejectReason
from factory.store.reader import JournalReader

BINS_PER_OCTAVE = 16
"""Lengths are known to within 2**(1/16), 4.4 %."""
EXAMPLES = 3
"""Rejects kept to read, of each reason."""
Heading = tuple[str, bool]
"""Mode, and whether with Python."""


@dataclass(slots=True)
class TraceFigures:
    """All finished samples."""

    lengths: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # mode, tool, bin of generated tokens
    tokens: Counter[Heading] = field(default_factory=Counter)  # generated
    endings: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # mode, tool, finish_reason
    calls: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # mode, calls of a trace with Python
    cells: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # status, state lost
    seconds: Counter[int] = field(default_factory=Counter)  # bin of a cell's milliseconds

    @property
    def rows(self) -> int:
        return self.lengths.total()

    def headings(self) -> list[Heading]:
        return sorted({(mode, tool) for mode, tool, _ in self.lengths}, key=strongest_first)


@dataclass(slots=True)
class VerdictFigures:
    """All problems with a verdict, and the judgements on their samples."""

    problems: int = 0
    changed: int = 0  # references that the vote replaced
    rates: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # mode, tool, passed, count
    judged: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # mode, tool, equal, bin of generated tokens
    methods: Counter[tuple[Any, ...]] = field(default_factory=Counter)  # method, equal

    @property
    def right(self) -> int:
        """Samples that reach the reference: what would be published."""
        return sum(n for (_, equal), n in self.methods.items() if equal)


@dataclass(slots=True)
class RejectFigures:
    """Rows that left, and a few of each reason to read."""

    reasons: Counter[RejectReason] = field(default_factory=Counter)
    examples: dict[RejectReason, list[dict[str, str]]] = field(default_factory=dict)  # id, detail


def of_traces(journal: JournalReader) -> TraceFigures:
    """Sum up every sample in the journal."""
    columns = ["mode", "tool", "n_generated_tokens", "finish_reason"]
    columns += [f"tool_calls.list.element.{name}" for name in ("status", "state_lost", "seconds")]
    found = TraceFigures()
    for _, _, table in journal.tables(Trace, columns):
        heading = table.select(["mode", "tool"])
        found.lengths += counts(heading.append_column("bin", pa.array(bins(table["n_generated_tokens"]))))
        found.endings += counts(table.select(["mode", "tool", "finish_reason"]))
        sums = table.group_by(["mode", "tool"]).aggregate([("n_generated_tokens", "sum")]).to_pylist()
        found.tokens.update({(row["mode"], row["tool"]): row["n_generated_tokens_sum"] for row in sums})
        python = table.filter(table["tool"])
        if python.num_rows:
            calls = pc.fill_null(pc.list_value_length(python["tool_calls"]), 0)
            found.calls += counts(pa.table({"mode": python["mode"], "calls": calls}))
            cells = flat(python["tool_calls"])
            status, lost = pc.struct_field(cells, "status"), pc.struct_field(cells, "state_lost")
            found.cells += counts(pa.table({"status": status, "lost": lost}))
            milliseconds = pa.chunked_array([pc.multiply(pc.struct_field(cells, "seconds"), 1000.0)])
            found.seconds.update(under(counts(pa.table({"bin": bins(milliseconds)}))))
    return found


def of_verdicts(journal: JournalReader) -> VerdictFigures:
    """Sum up every verdict that counts."""
    columns = ["changed_to_majority", "regimes"]
    columns += [f"judgements.list.element.{name}" for name in ("mode", "tool", "equal", "method", "n_generated_tokens")]
    found = VerdictFigures()
    for _, _, table in journal.counted(Verdict, columns):
        found.problems += table.num_rows
        found.changed += pc.sum(table["changed_to_majority"]).as_py()
        found.rates += counts(_fields(flat(table["regimes"]), "mode", "tool", "passed", "count"))
        judgements = flat(table["judgements"])
        lengths = bins(pa.chunked_array([pc.struct_field(judgements, "n_generated_tokens")]))
        about = _fields(judgements, "mode", "tool", "equal")
        found.judged += counts(about.append_column("bin", pa.array(lengths)))
        found.methods += counts(_fields(judgements, "method", "equal"))
    return found


def of_threads(journal: JournalReader) -> Counter[str]:
    """What came of threads so far: those that state problems ("threads"), the problems "found", those that "passed"."""
    found, passed = Counter[str](), set[str]()
    for _, _, table in journal.counted(CuratedThread, ["n_found"]):
        found.update(threads=table.num_rows, found=pc.sum(table["n_found"]).as_py())
    for _, _, table in journal.tables(
        CuratedThread, ["problems.list.element.id"]
    ):  # of a thread that two workers curated, both
        passed.update(pc.struct_field(flat(table["problems"]), "id").to_pylist())
    for _, _, table in journal.counted(Reject, ["id", "kind", "stage"]):
        here = pc.and_(pc.equal(table["kind"], "problem"), pc.equal(table["stage"], "curate"))
        passed.difference_update(table.filter(here)["id"].to_pylist())
    if found:
        found["passed"] = len(passed)
    return found


def of_rejects(journal: JournalReader) -> RejectFigures:
    """Sum up every reject that counts: of rows that have no verdict, or whose verdict was taken back."""
    found = RejectFigures()
    for _, _, table in journal.counted(Reject, ["id", "kind", "stage", "reason", "detail"]):
        found.reasons.update(
            {RejectReason(*map(str, why)): n for why, n in counts(table.select(RejectReason._fields)).items()}
        )
        for reason in found.reasons.keys() - {r for r, kept in found.examples.items() if len(kept) >= EXAMPLES}:
            wanted = [pc.equal(table[name], value) for name, value in zip(reason._fields, reason, strict=True)]
            rows = table.filter(pc.and_(pc.and_(wanted[0], wanted[1]), wanted[2])).slice(0, EXAMPLES)
            kept = found.examples.setdefault(reason, [])
            kept += rows.select(["id", "detail"]).to_pylist()[: EXAMPLES - len(kept)]
    return found


def right_samples(journal: JournalReader) -> int:
    """Judged samples that reach their reference, of the verdicts that count."""
    verdicts = journal.counted(Verdict, ["judgements.list.element.equal"])
    equal = (pc.struct_field(flat(table["judgements"]), "equal") for _, _, table in verdicts)
    return sum(pc.sum(column).as_py() or 0 for column in equal)


def bins(values: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """The bin of each value of at least 1: bin b holds what is below `edge(b)` and not below `edge(b - 1)`."""
    numbers = np.maximum(np.asarray(values, dtype=np.float64), 1.0)
    places: npt.NDArray[np.float64] = np.floor(np.log2(numbers) * BINS_PER_OCTAVE + 1e-9) + 1
    return places.astype(np.int32)


def edge(number: int) -> float:
    """The upper edge of a bin."""
    return float(2.0 ** (number / BINS_PER_OCTAVE))


def quantile(by_bin: Mapping[int, int], share: float) -> float:
    """The middle of the bin that this share of the values is in or below; 0 if there are none."""
    total, so_far = sum(by_bin.values()), 0
    for number in sorted(by_bin):
        so_far += by_bin[number]
        if so_far >= share * total:
            return float(2.0 ** ((number - 0.5) / BINS_PER_OCTAVE))
    return 0.0


def under(counted: Mapping[tuple[Any, ...], int], *heading: Any) -> Counter[Any]:
    """What is counted under the first keys `heading`, by the rest of the key (or by its last part alone)."""
    found: Counter[Any] = Counter()
    for cell, n in counted.items():
        if cell[: len(heading)] == heading:
            rest = cell[len(heading) :]
            found[rest[0] if len(rest) == 1 else rest] += n
    return found


def _fields(rows: pa.StructArray, *names: str) -> pa.Table:
    return pa.table({name: pc.struct_field(rows, name) for name in names})


def strongest_first(heading: Heading) -> tuple[int, bool]:
    """Sort key: by mode, the strongest first, and with Python before without."""
    return rank(heading[0]), not heading[1]


def rank(mode: str) -> int:
    """0 for the strongest mode; one that this version does not know comes last."""
    return STRONGEST_FIRST.index(Mode(mode)) if mode in STRONGEST_FIRST else len(STRONGEST_FIRST)
