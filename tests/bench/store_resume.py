"""How long a run takes to find out where it was: index a journal of millions of samples, and join problems against it.

    python -m tests.bench.store_resume --samples 10000000 --at DIRECTORY_OR_S3_URI

Writes the journal first, unless one is there: parts with the real schema, row groups and tables of contents, a few
tokens a sample. Nine problems of ten are finished. What is measured reads footers only, so short samples are fair.
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import pairwise

import pyarrow as pa

from factory.arrow import to_table
from factory.records import Mode, Trace, Verdict
from factory.store.fs import Store
from factory.store.ids import contained, hashes_of
from factory.store.index import JournalIndex
from factory.store.kinds import DIRECTORIES
from factory.store.parts import assemble
from tests.store.rows import problem, trace, verdict

SAMPLES_PER_PROBLEM = 48
PROBLEMS_PER_PART = 20  # 960 samples: 32 MB at 35 kB each
GROUPS_PER_PART = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--at", required=True)
    options = parser.parse_args()
    store = Store.open(options.at)
    problems = options.samples // SAMPLES_PER_PROBLEM
    parts = -(-problems // PROBLEMS_PER_PART)
    there = sum(1 for _ in store.list(DIRECTORIES[Trace]))
    started = time.monotonic()
    for part in range(there, parts):
        write_part(store, part)
    print(f"journal: {problems * SAMPLES_PER_PROBLEM:,} samples of {problems:,} problems in {parts:,} parts", end=" ")
    print(f"(written now: {parts - there:,} in {time.monotonic() - started:.0f} s)", flush=True)
    measure(store, problems)


def write_part(store: Store, part: int) -> None:
    """One part of traces, and one of the verdicts on nine tenths of its problems."""
    names = [f"problem-{part * PROBLEMS_PER_PART + n:08d}" for n in range(PROBLEMS_PER_PART)]
    ids = pa.array([name for name in names for _ in range(SAMPLES_PER_PROBLEM)])
    table = TEMPLATE.set_column(0, TEMPLATE.schema.field(0), ids)
    cut = [PROBLEMS_PER_PART * g // GROUPS_PER_PART for g in range(GROUPS_PER_PART + 1)]
    spans = list(pairwise(cut))
    groups = [table.slice(a * SAMPLES_PER_PROBLEM, (b - a) * SAMPLES_PER_PROBLEM) for a, b in spans]
    contents = {"fingerprint": "bench", "groups": [names[a:b] for a, b in spans], "group_bytes": [1 << 22] * len(spans)}
    tally = {"high/python": [len(ids), len(ids) * 5, 0, 0]}
    write(store, Trace, part, assemble(Trace, groups, {**contents, "tally": tally}))
    finished = names[: PROBLEMS_PER_PART * 9 // 10]
    verdicts = pa.concat_tables([VERDICT] * len(finished))
    contents = {"fingerprint": "bench", "groups": [finished], "group_bytes": [1 << 18], "tally": {"": [len(finished)]}}
    write(store, Verdict, part, assemble(Verdict, [verdicts], contents))


def write(store: Store, kind: type, part: int, data: pa.Buffer) -> None:
    store.write(f"{DIRECTORIES[kind]}20260101T000000.000000Z-bench-{part:08d}.parquet", data.to_pybytes())


def measure(store: Store, problems: int) -> None:
    before, cpu, started = peak_mb(), time.process_time(), time.monotonic()
    index = JournalIndex(store, "bench", max_age_s=1e9)
    hashes = index.snapshot().finished
    wall, cpu = time.monotonic() - started, time.process_time() - cpu
    print(f"index from nothing: {wall:.1f} s wall, {cpu:.1f} s CPU, peak memory {before:.0f} -> {peak_mb():.0f} MB")
    print(f"finished: {len(hashes):,} problems, {hashes.nbytes / 1e6:.1f} MB of hashes")
    names = [f"problem-{n:08d}" for n in range(problems)]
    started = time.monotonic()
    left = problems - int(contained(hashes_of(names), hashes).sum())
    print(f"anti-join: {problems:,} problems -> {left:,} left in {time.monotonic() - started:.2f} s")
    started = time.monotonic()
    rows = index.traces_of(names[PROBLEMS_PER_PART - 1])
    print(f"replay of one unfinished problem: {len(rows)} samples in {(time.monotonic() - started) * 1e3:.0f} ms")
    started = time.monotonic()
    index.refresh()
    print(f"refresh of a living index: {time.monotonic() - started:.2f} s")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


TEMPLATE = to_table(
    Trace,
    [
        trace("template", mode, tool, sample)
        for _ in range(PROBLEMS_PER_PART)
        for mode in Mode
        for tool in (True, False)
        for sample in range(8)
    ],
)
VERDICT = to_table(Verdict, [verdict(problem("template"), [trace("template", sample=s) for s in range(48)])])

if __name__ == "__main__":
    main()
