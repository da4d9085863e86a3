"""How fast views are exported, and in how much memory: `python tests/bench/views_speed.py --traces 6000`.

Makes a journal of generated traces, then exports sft (tokens), packed and rl_prompts from it, each in a process of its
own, and prints traces per CPU-second, peak memory and bytes. The trainer's checker is left out of rl_prompts. Where TRL
is installed, its packing by `datasets.map` packs the same token rows beside ours. Times are CPU time of the process, so
that load on the machine changes them less.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VIEWS = {
    "sft": ["form=tokens"],
    "packed": ["edges=[1024,2048,4096,16384]"],
    "rl_prompts": ["check=false"],
}
SAMPLES = 8  # of each of six regimes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=1000, help="mean length")
    parser.add_argument("--run", help="a journal that was made before, or where to make it")
    parser.add_argument("--view", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.view:
        print(json.dumps(measured(given.view, given.run, given.out)))
        return
    with tempfile.TemporaryDirectory() as folder:
        uri = given.run or f"{folder}/run"
        if not Path(uri, "run.json").exists():
            make(uri, given.traces, given.tokens)
        for view in VIEWS:
            words = [sys.executable, __file__, "--view", view, "--run", uri, "--out", f"{folder}/{view}"]
            figures = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            print(show(view, figures), flush=True)
        compare(Path(folder, "sft"))


def make(uri: str, traces: int, tokens: int) -> None:
    from tests.views.world import make_run

    make_run(
        uri, problems=max(3, traces // (SAMPLES * 6)), samples=SAMPLES, tokens=(tokens // 2, tokens * 3 // 2), odd=False
    )


def measured(view: str, uri: str, out: str) -> dict[str, float]:
    from factory.views.export import export
    from factory.views.registry import named, options_of

    before, start = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = export(named(view), uri, out, options_of(named(view), VIEWS[view]))
    return {
        "cpu_s": time.process_time() - before,
        "read": done.funnel.read,
        "rows": done.funnel.rows.total(),
        "bytes": sum(file.bytes for file in done.files),
        "imports_mb": start / 1024,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def show(view: str, figures: dict[str, float]) -> str:
    return (
        f"{view:12} {figures['read']:>10,.0f} read  {figures['rows']:>9,.0f} rows  {figures['cpu_s']:8.1f} CPU-s  "
        f"{figures['read'] / figures['cpu_s']:>9,.0f} read/CPU-s  {figures['bytes'] / 1e6:8.1f} MB written  "
        f"peak {figures['peak_mb']:,.0f} MB (imports {figures['imports_mb']:,.0f})"
    )


def compare(sft: Path) -> None:
    """Best-fit packing of the same rows, by TRL and by us: from token rows in Parquet to packs in memory."""
    import datasets
    import pyarrow.parquet as pq

    from factory.views.packing import best_fit

    files = sorted(str(path) for path in (sft / "data" / "sft").glob("*.parquet"))
    lengths = [n for file in files for n in pq.read_table(file, columns=["n_tokens"])["n_tokens"].to_pylist()]
    before = time.process_time()
    packs = best_fit(lengths, 16384)
    print(f"best_fit     {len(lengths):,} lengths -> {len(packs):,} packs, {time.process_time() - before:.2f} CPU-s")
    try:
        from trl import pack_dataset
    except ImportError:
        print("TRL is not installed: its packing was not measured")
        return
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.Dataset.from_parquet(files, cache_dir=cache).select_columns(["input_ids", "labels"])
        before = time.process_time()
        packed = pack_dataset(rows, seq_length=16384, strategy="bfd", map_kwargs={"batch_size": 50_000})
        print(f"TRL bfd      {len(rows):,} rows -> {len(packed):,} packs, {time.process_time() - before:.2f} CPU-s")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
