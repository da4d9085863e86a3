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

from factory.records import Curated, Reject, Trace, Verdict
from factory.report.columnar import counts, flat, tables
from factory.store.ids import hash_of, scoped
from factory.store.outcome import WITHDRAWN
from factory.store.run import Run

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
        return sorted({(mode, tool) for mode, tool, _ in self.lengths}, key=_strongest_first)


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

    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # kind, stage, reason
    examples: dict[tuple[str, str, str], list[dict[str, str]]] = field(default_factory=dict)  # id, detail


def of_traces(run: Run) -> TraceFigures:
    """Sum up every sample in the journal."""
    columns = ["mode", "tool", "n_generated_tokens", "finish_reason"]
    columns += [f"tool_calls.list.element.{name}" for name in ("status", "state_lost", "seconds")]
    found = TraceFigures()
    for _, table in tables(run, Trace, columns):
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


def of_verdicts(run: Run, seen: set[int]) -> VerdictFigures:
    """Sum up every verdict; `seen` takes the hashes of the problems, each of which counts once."""
    columns = ["problem.id", "changed_to_majority", "regimes"]
    columns += [f"judgements.list.element.{name}" for name in ("mode", "tool", "equal", "method", "n_generated_tokens")]
    found = VerdictFigures()
    for _, table in tables(run, Verdict, columns):
        mine = table.filter(fresh(pc.struct_field(table["problem"], "id").to_pylist(), seen))
        if not mine.num_rows:
            continue
        found.problems += mine.num_rows
        found.changed += pc.sum(mine["changed_to_majority"]).as_py()
        found.rates += counts(_fields(flat(mine["regimes"]), "mode", "tool", "passed", "count"))
        judgements = flat(mine["judgements"])
        lengths = bins(pa.chunked_array([pc.struct_field(judgements, "n_generated_tokens")]))
        about = _fields(judgements, "mode", "tool", "equal")
        found.judged += counts(about.append_column("bin", pa.array(lengths)))
        found.methods += counts(_fields(judgements, "method", "equal"))
    return found


def withdrawn(run: Run) -> set[int]:
    """Hashes of problems whose verdict was taken back: a benchmark that came later holds them."""
    found = set[int]()
    for _, table in tables(run, Reject, ["id", "stage"]):
        found.update(map(hash_of, table.filter(pc.equal(table["stage"], WITHDRAWN))["id"].to_pylist()))
    return found


def of_threads(run: Run) -> Counter[str]:
    """What came of threads so far: those that state problems ("threads"), the problems "found", those that "passed"."""
    found, seen = Counter[str](), set[int]()
    for _, table in tables(run, Curated, ["thread_id", "n_found", "problems.list.element.id"]):
        mine = table.filter(fresh(table["thread_id"].to_pylist(), seen))
        if mine.num_rows:
            passed = pc.sum(pc.list_value_length(mine["problems"])).as_py()
            found.update(threads=mine.num_rows, found=pc.sum(mine["n_found"]).as_py(), passed=passed)
    return found


def of_rejects(run: Run, seen: set[int]) -> RejectFigures:
    """Sum up every reject of a row that has no verdict (whose hash is not in `seen`, which grows)."""
    found = RejectFigures()
    for _, table in tables(run, Reject, ["id", "kind", "stage", "reason", "detail"]):
        owners = [scoped(*p) for p in zip(table["id"].to_pylist(), table["kind"].to_pylist(), strict=True)]
        mine = table.filter(fresh(owners, seen))
        found.reasons += counts(mine.select(["kind", "stage", "reason"]))  # type: ignore[arg-type]
        for reason in found.reasons.keys() - {r for r, kept in found.examples.items() if len(kept) >= EXAMPLES}:
            wanted = [pc.equal(mine[n], v) for n, v in zip(("kind", "stage", "reason"), reason, strict=True)]
            rows = mine.filter(pc.and_(pc.and_(wanted[0], wanted[1]), wanted[2])).slice(0, EXAMPLES)
            kept = found.examples.setdefault(reason, [])
            kept += rows.select(["id", "detail"]).to_pylist()[: EXAMPLES - len(kept)]
    return found


def right_samples(run: Run) -> int:
    """Judged samples that reach their reference, each problem counted once."""
    right, seen = 0, withdrawn(run)
    for _, table in tables(run, Verdict, ["problem.id", "judgements.list.element.equal"]):
        mine = table.filter(fresh(pc.struct_field(table["problem"], "id").to_pylist(), seen))
        if mine.num_rows:
            right += pc.sum(pc.struct_field(flat(mine["judgements"]), "equal")).as_py() or 0
    return right


def fresh(owners: list[str], seen: set[int]) -> pa.Array:
    """Which owners come for the first time; they are added to `seen`."""
    mask = []
    for owner in owners:
        number = hash_of(owner)
        mask.append(number not in seen)
        seen.add(number)
    return pa.array(mask, type=pa.bool_())


def bins(values: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """The bin of each value of at least 1: bin b holds what is below `edge(b)` and not below `edge(b - 1)`."""
    numbers = np.maximum(np.asarray(values, dtype=np.float64), 1.0)
    places: npt.NDArray[np.float64] = np.floor(np.log2(numbers) * BINS_PER_OCTAVE + 1e-9) + 1
    return places.astype(np.int32)


def edge(number: int) -> float:
    """The upper edge of a bin."""
    return float(2.0 ** (number / BINS_PER_OCTAVE))


def quantile(by_bin: Mapping[int, int], share: float) -> float:
    """The middle of the bin that this share of the values lies in or below; 0 where there are none."""
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


def _strongest_first(heading: Heading) -> tuple[int, bool]:
    order = ("high", "medium", "low")
    return order.index(heading[0]) if heading[0] in order else len(order), not heading[1]
