"""`factory audit URI`: check a published dataset against its manifest and counts, and with the checker and the sandbox.

Every file is read once. What is cheap is checked on every row; tokens are read again, answers compared again and tool
cells run again on a sample that depends on the rows alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory.errors import FactoryError
from factory.inspection.redo import key_of, redo_answers, redo_cells
from factory.inspection.reread import reread
from factory.records import Origin, tool_name
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.manifest import Manifest, RejectFile, Shard, latest
from factory.store.report import PUBLISHED
from factory.store.run import Run
from factory.store.shape import bucket_of
from factory.views.nemotron import REGIMES, NemotronMath

SHOWN = 10  # findings kept of each kind; all are counted
REREAD = "tokens read again give the row's prompt, messages and answer"
_CHUNK = 16 << 20


@dataclass(slots=True)
class Audit:
    """What was checked, how often, and what is wrong. `notices` are differences that need not be faults."""

    uri: str
    version: int = 0
    checked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def check(self, what: str, holds: bool, example: str = "") -> None:
        self.checked[what] += 1
        if not holds:
            self.faults[what] += 1
            if len(shown := self.examples.setdefault(what, [])) < SHOWN:
                shown.append(example)


def audit(uri: str, *, answers: int = 200, cells: int = 20) -> Audit:
    """Audit the newest published version. `answers` traces have their tokens read and their answers compared again,
    `cells` traces have their cells run again.

    Raises `FactoryError` if nothing is published; everything else that is wrong is a fault in the result.
    """
    run = Run.attach(uri)
    manifest = latest(run.store)
    if manifest is None:
        raise FactoryError(f"nothing is published at {uri}", remedy="run the job to its end first")
    found = Audit(uri, manifest.version)
    rows = _Rows(found, manifest, answers, cells)
    for shard in manifest.shards:
        if _verify_checksum(found, run.store, shard) and _of_schema(found, run.store, shard, manifest):
            rows.read(run.store, shard)
    for file in manifest.rejects:
        _verify_checksum(found, run.store, file)
    rows.close()
    asyncio.run(_redo(found, run, rows))
    return found


def render(found: Audit) -> str:
    """An audit for a terminal: one line a check, examples below it, the judgement last."""
    lines = [f"{found.uri}, version {found.version}"]
    for what, n in found.checked.items():
        lines.append(f"{'FAULT' if found.faults[what] else 'ok':<6}{n:>12,}  {what}")
        if found.faults[what]:
            shown = found.examples.get(what, [])
            lines += [f"{'':<20}{example}" for example in shown]
            lines.append(f"{'':<20}{found.faults[what]:,} of {n:,}")
    lines += [f"notice {notice}" for notice in found.notices]
    lines.append("sound" if found.sound else f"NOT SOUND: {found.faults.total():,} faults")
    return "\n".join(lines)


def _verify_checksum(found: Audit, store: Store, file: Shard | RejectFile) -> bool:
    """Whether a file of the manifest is there, byte for byte."""
    there = store.exists(file.key)
    found.check("files are there", there, file.key)
    if not there:
        return False
    digest, size = hashlib.sha256(), store.size(file.key)
    for start in range(0, size, _CHUNK):
        digest.update(store.read(file.key, start, min(_CHUNK, size - start)))
    same = (size, digest.hexdigest()) == (file.bytes, file.sha256)
    found.check("files have their size and checksum", same, file.key)
    return same


def _of_schema(found: Audit, store: Store, shard: Shard, manifest: Manifest) -> bool:
    with store.parquet(shard.key, shard.bytes) as file:
        found.check("files have their number of rows", file.metadata.num_rows == shard.rows, shard.key)
        view = NemotronMath(tuple(manifest.annotations), manifest.keyed, manifest.row_version)
        same = bool(file.schema_arrow.equals(view.schema))
    found.check("files have the published schema", same, shard.key)
    return same


class _Rows:
    """Checks of rows, one row group after the other; keeps counts, key hashes and the two samples."""

    def __init__(self, found: Audit, manifest: Manifest, answers: int, cells: int) -> None:
        self._found, self._manifest = found, manifest
        self._edges = list(manifest.settings["buckets"])
        self._hashes: list[int] = []
        self._published: Counter[tuple[str, str]] = Counter()
        self._per_cell: Counter[tuple[str, ...]] = Counter()
        self._problems: set[int] = set()
        self._answers, self._cells = _Smallest(answers), _Smallest(cells)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return self._answers.rows

    @property
    def cells(self) -> list[dict[str, Any]]:
        return self._cells.rows

    def read(self, store: Store, shard: Shard) -> None:
        with store.parquet(shard.key, shard.bytes) as file:
            for group in range(file.num_row_groups):
                self._group(file.read_row_group(group), shard)

    def _group(self, table: pa.Table, shard: Shard) -> None:
        heavy = ["token_ids", "mask", "messages", "tools", "tool_call_records"]
        rows = table.drop_columns(heavy).to_pylist()
        masks = _masks(table["mask"].combine_chunks())
        lengths = pc.list_value_length(table["token_ids"]).to_pylist()
        for position, (row, mask, n) in enumerate(zip(rows, masks, lengths, strict=True)):
            self._row(row, mask, n, shard)
            priority = hash_of(row["uid"])
            if self._answers.wants(priority):
                self._answers.add(priority, row | _values(table, position, "messages", "token_ids", "mask"))
            if row["with_tool"] and self._cells.wants(priority):
                self._cells.add(priority, row | _values(table, position, "tool_call_records"))

    def _row(self, row: dict[str, Any], mask: Any, n: int, shard: Shard) -> None:
        check = self._found.check
        tool = tool_name(row["with_tool"])
        name = str(key_of(row))
        self._hashes.append(hash_of(name))
        self._problems.add(hash_of(row["problem_id"]))
        self._per_cell[(row["reasoning_mode"], tool, shard.bucket)] += 1
        here = (row["reasoning_mode"], tool, bucket_of(n, self._edges))
        check(
            "rows are in the file of their mode, tool and length", here == (shard.mode, shard.tool, shard.bucket), name
        )
        origins = np.bincount(mask, minlength=3)
        says = (row["n_prompt_tokens"], row["n_generated_tokens"], row["n_tool_tokens"])
        counts = tuple(int(origins[o]) for o in (Origin.PROMPT, Origin.GENERATED, Origin.TOOL))
        check("tokens and mask have one length", len(mask) == n == row["n_tokens"], name)
        check("the mask has as many tokens of each origin as the row says", counts == says, f"{name}: {counts}, {says}")
        check("rows have a problem, an answer and a reference", _complete(row), name)
        regime = f"reason_{row['reasoning_mode']}_{'with_tool' if row['with_tool'] else 'no_tool'}"
        check("rows have six regimes, and passed in their own", _passed(row["metadata"], regime), name)

    def close(self) -> None:
        """What can be said only of all rows together."""
        check, report = self._found.check, self._manifest.report
        hashes = np.array(self._hashes, dtype=np.uint64)
        check(
            "no key is there twice",
            len(np.unique(hashes)) == len(hashes),
            f"{len(hashes) - len(np.unique(hashes))} are",
        )
        counted = {key[:3]: n for key, n in report.by("trace", 0, 1, 3, 4).items() if key[3] == PUBLISHED}
        check("counts by mode, tool and length are those of the report", counted == dict(self._per_cell), "")
        n_rows = len(self._hashes)
        check("generated = published + rejected traces", report.published == n_rows, f"{report.published}, {n_rows}")
        check(
            "problems with traces are at most those with a verdict",
            len(self._problems) <= report.problems.get("verdict", 0),
        )
        check("no judged trace is missing from the journal", report.lost == 0, f"{report.lost} are")
        check("no row group of the journal is damaged", report.damaged == 0, f"{report.damaged} are")


class _Smallest:
    """A sample of rows: those with the smallest hashes, so that every audit of one version takes the same."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, int, dict[str, Any]]] = []

    def wants(self, priority: int) -> bool:
        return self._size > 0 and (len(self._heap) < self._size or -priority > self._heap[0][0])

    def add(self, priority: int, row: dict[str, Any]) -> None:
        push = heapq.heappush if len(self._heap) < self._size else heapq.heappushpop
        push(self._heap, (-priority, len(self._heap), row))

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for _, _, row in sorted(self._heap, key=lambda item: -item[0])]


async def _redo(found: Audit, run: Run, rows: _Rows) -> None:
    try:
        for name, difference in reread(run.recipe, rows.answers):
            found.check(REREAD, not difference, f"{name}: {difference}")
    except FactoryError as error:
        found.notices.append(f"tokens were not read again: {error.what} ({error.why})")
    for name, equal, in_conversation in await redo_answers(run.recipe["verify"], rows.answers):
        if equal is None:
            found.notices.append(f"{name}: the checker could not decide again")
        else:
            found.check("answers are right when compared again", equal, name)
        if not in_conversation:
            found.notices.append(f"{name}: the last boxed answer of the conversation is another one")
    try:
        results = await redo_cells(run.recipe["sandbox"], rows.cells)
    except FactoryError as error:
        found.notices.append(f"tool cells were not run again: {error.what} ({error.why})")
        return
    for name, difference in results:
        found.checked["traces had their tool cells run again"] += 1
        if difference:
            found.notices.append(f"{name}: {difference}")


def _values(table: pa.Table, position: int, *names: str) -> dict[str, Any]:
    return {name: table[name][position].as_py() for name in names}


def _masks(column: pa.ListArray) -> list[Any]:
    values = np.asarray(column.flatten())
    starts = [0, *np.cumsum(pc.list_value_length(column).to_numpy(zero_copy_only=False)).tolist()]
    return [values[a:b] for a, b in pairwise(starts)]


def _complete(row: dict[str, Any]) -> bool:
    return bool(row["problem"] and row["expected_answer"] and row["predicted_answer"] and row["uid"] and row["uuid"])


def _passed(metadata: dict[str, dict[str, Any]], own: str) -> bool:
    fits = all(0 <= r["pass"] <= r["count"] for r in metadata.values())
    return set(metadata) == set(REGIMES) and fits and metadata[own]["pass"] >= 1
