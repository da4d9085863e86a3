"""How long `factory report` takes and how much memory it needs, over a generated journal of the size of a release.

    python -m tests.bench.report_page --verdicts 1000000 --traces 8000000 [--keep DIR]

The journal's columns hold what the page reads; token ids and messages, which it does not read, are left small.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from factory import ingest
from factory.arrow import schema, to_table
from factory.records import Mode, Reject, Trace, Verdict
from factory.store.kinds import DIRECTORIES
from factory.store.parts import assemble
from factory.store.run import Run
from tests.report.builders import _benchmarks, _compared, _reject, _trace, _usage, recipe
from tests.store.rows import verdict

PART = 20_000
TEMPLATES = 200


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--verdicts", type=int, default=1_000_000)
    options.add_argument("--traces", type=int, default=8_000_000)
    options.add_argument("--rejects", type=int, default=200_000)
    options.add_argument("--keep", help="use this directory, and the journal that lies there")
    asked = options.parse_args()
    place = Path(asked.keep or tempfile.mkdtemp(prefix="report-bench-"))
    if not (place / "run.json").exists():
        started = time.monotonic()
        build(place, asked.verdicts, asked.traces, asked.rejects)
        print(f"generated in {time.monotonic() - started:.0f} s")
    size = sum(path.stat().st_size for path in place.rglob("*.parquet"))
    parts = sum(1 for _ in place.rglob("*.parquet"))
    started = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [str(Path(sys.executable).parent / "factory"), "report", str(place), "--out", str(place / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{parts} parts, {size / 1e9:.2f} GB: {done.stdout.strip()}")
    seconds, cpu = time.monotonic() - started, used.ru_utime - before
    print(f"{seconds:.1f} s wall, {cpu:.1f} s CPU, peak {used.ru_maxrss / 1e6:.2f} GB")


def build(place: Path, verdicts: int, traces: int, rejects: int) -> None:
    """A journal of so many rows, made of a few hundred different ones."""
    run = Run.open(str(place), recipe())
    _benchmarks(run)
    _usage(run)
    ingest.finish(
        run.store,
        [ingest.Part(key="inputs/Problem/none", kind="Problem", ids=np.empty(0, np.uint64), rows=verdicts + rejects)],
    )
    chance = random.Random(1)
    problems = [_compared(f"t{n}", chance, copy=False) for n in range(TEMPLATES)]
    drawn = [[_trace(p.id, m, t, 0, chance) for m in Mode for t in (True, False)] for p in problems]
    wide = to_table(Verdict, [verdict(p, rows) for p, rows in zip(problems, drawn, strict=True)])
    rows = [dataclasses.replace(row, token_ids=[1], mask=[1], messages=[]) for group in drawn for row in group]
    left = to_table(Reject, [_reject(p, "solve", "too_easy", "low-mode pass rate 1") for p in problems])
    for kind, table, total in (
        (Verdict, wide, verdicts),
        (Trace, to_table(Trace, rows), traces),
        (Reject, left, rejects),
    ):
        for number, start in enumerate(range(0, total, PART)):
            size = min(PART, total - start)
            part = _renamed(_repeated(table, size), start, kind)
            contents = {
                "fingerprint": run.fingerprint,
                "groups": [_ids(start, size, kind)],
                "group_bytes": [part.nbytes],
                "tally": _tally(kind, part),
            }
            data = assemble(kind, [part.cast(schema(kind))], contents)
            run.store.write(f"{DIRECTORIES[kind]}{number:06d}-solve-000001-x.parquet", data.to_pybytes())


def _repeated(table: pa.Table, size: int) -> pa.Table:
    return pa.concat_tables([table] * -(-size // table.num_rows)).slice(0, size).combine_chunks()


def _renamed(table: pa.Table, start: int, kind: type) -> pa.Table:
    ids = pa.array(_ids(start, table.num_rows, kind))
    if kind is not Verdict:
        return table.set_column(table.column_names.index("id" if kind is Reject else "problem_id"), _name(kind), ids)
    column = table["problem"].combine_chunks()
    children = [ids if field.name == "id" else column.field(field.name) for field in column.type]
    problem = pa.StructArray.from_arrays(children, fields=list(column.type))
    return table.set_column(table.column_names.index("problem"), table.schema.field("problem"), problem)


def _name(kind: type) -> pa.Field:
    return schema(kind).field("id" if kind is Reject else "problem_id")


def _ids(start: int, size: int, kind: type) -> list[str]:
    return [f"{'r' if kind is Reject else 'p'}{n}" for n in range(start, start + size)]


def _tally(kind: type, part: pa.Table) -> dict[str, list[int]]:
    if kind is Verdict:
        return {"": [part.num_rows]}
    if kind is Reject:
        return {"problem/solve/too_easy": [part.num_rows]}
    counted = Counter(zip(part["mode"].to_pylist(), part["tool"].to_pylist(), strict=True))
    return {f"{mode}/{'python' if tool else 'none'}": [n, 100 * n, 0, 0] for (mode, tool), n in counted.items()}


if __name__ == "__main__":
    main()
