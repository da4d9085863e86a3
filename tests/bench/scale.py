"""How far the factory scales without its GPUs: a million samples through the whole graph on this machine.

Run by hand: `python tests/bench/scale.py --samples 1000000` (file://), or with `--s3` into a real S3 server. Ray's
actors, the ledger, the journal, the checker's processes, storage and publishing are real; the engine and the time of
tools are simulated (`simulated.py`), samples are shortened to `--length` of the real ones. So the figures are those of
everything that is paid per problem, per sample and per part; what is paid per token is measured by a second run with
few samples of full length: `--samples 2000 --length 1`.

Prints the speed, memory of driver, ledger and object store over time, CPU by part, files and requests to storage, and
the projection to 20M samples on 500 GPU nodes (`projection.py`). `--json FILE` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from factory.recipe import Recipe  # noqa: E402
from factory.records import Reject, Trace, Verdict  # noqa: E402
from factory.store.fs import Store  # noqa: E402
from factory.store.kinds import DIRECTORIES  # noqa: E402
from tests.bench import meters, projection, simulated  # noqa: E402

START_ATTEMPTS = 10
COLUMNS = ("driver", "ledger", "object store", "program workers", "raylet", "gcs")


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="sc-", dir=options.dir))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        uri = _storage(options, folder, stack)
        problems = max(1, round(options.samples / simulated.SAMPLES_PER_PROBLEM))
        simulated.write_problems(folder / "problems.jsonl", problems)
        figures = run(options, folder, uri, problems)
        show(figures)
        if options.json:
            Path(options.json).write_text(json.dumps(figures, indent=1))


def run(options: argparse.Namespace, folder: Path, uri: str, problems: int) -> dict[str, Any]:
    """One job from an empty place to its published dataset; everything that was measured."""
    counted = folder / "requests"
    counted.mkdir()
    os.environ.update({meters.REQUESTS: str(counted), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"})
    meters.count_requests()
    import ray

    from factory import pipeline
    from factory.cluster import services

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    _start_ray(options, folder, counted)
    simulation = simulated.Simulation(options.length, options.tokens_per_s, options.capacity, options.failures)
    recipe = _recipe(options, folder)
    marks: dict[str, Any] = {}
    publish = pipeline.publish

    def publishing(*args: Any, **named: Any) -> Any:
        time.sleep(1.0)  # for the last counts
        marks.update(solved=time.monotonic(), requests=meters.requests(counted), cpu=dict(meter.cpu))
        manifest = publish(*args, **named)
        marks["published"] = time.monotonic()
        return manifest

    done: Counter[str] = Counter()

    def emit(line: str) -> None:
        if " samples journaled" in line:
            done["samples"] = int(line.split(" samples", maxsplit=1)[0].rsplit(maxsplit=1)[-1].replace(",", ""))
        print(line, flush=True)

    run = pipeline.prepare(recipe, uri)
    with (
        mock.patch.object(services, "running", simulated.running(simulation)),
        mock.patch.object(pipeline, "publish", publishing),
        meters.Meter(folder, lambda: done["samples"], options.every) as meter,
    ):
        started = time.monotonic()
        finished = pipeline.complete(run, recipe, emit=emit)
    time.sleep(1.0)
    total = meters.requests(counted)
    ray.shutdown()
    sizes = {prefix: _size(run.store, prefix) for prefix in (*DIRECTORIES.values(), "dataset/", "rejects/", "")}
    traces = sum(row[0] for row in _tallies(run.store, Trace))
    return {
        "simulation": asdict(simulation),
        "options": {name: str(value) for name, value in vars(options).items()},
        "problems": problems,
        "samples": traces,
        "tokens": sum(row[1] for row in _tallies(run.store, Trace)),
        "published": finished.n_traces,
        "verdicts": sum(row[0] for row in _tallies(run.store, Verdict)),
        "rejects": sum(row[0] for row in _tallies(run.store, Reject)),
        "solve_s": marks["solved"] - started,
        "publish_s": marks["published"] - marks["solved"],
        "cpu_solve": marks["cpu"],
        "cpu_publish": {part: s - marks["cpu"].get(part, 0.0) for part, s in meter.cpu.items()},
        "requests_solve": marks["requests"],
        "requests_publish": total - marks["requests"],
        "files": sizes,
        "series": meter.series,
        "load": os.getloadavg(),
    }


def show(figures: dict[str, Any]) -> None:
    """All of it as text."""
    samples, solve_s, publish_s = figures["samples"], figures["solve_s"], figures["publish_s"]
    print(f"\n{figures['problems']:,} problems, {samples:,} samples, {figures['tokens']:,} generated tokens "
          f"({figures['simulation']['length']:g} of the real length); {figures['published']:,} traces published, "
          f"{figures['verdicts']:,} verdicts, {figures['rejects']:,} rejects")  # fmt: skip
    print(f"solve   {solve_s:8.0f} s  {samples / solve_s:8.0f} samples/s")
    print(f"publish {publish_s:8.0f} s  {samples / publish_s:8.0f} samples/s   load average {figures['load'][0]:.0f}")
    print("\nmilliseconds of CPU per sample")
    for phase in ("cpu_solve", "cpu_publish"):
        parts = sorted(figures[phase].items(), key=lambda item: -item[1])
        total = sum(figures[phase].values())
        print(f"  {phase[4:]:8} {1e3 * total / samples:7.3f}: "
              + ", ".join(f"{part} {1e3 * s / samples:.3f}" for part, s in parts if s > 0.002 * total))  # fmt: skip
    print("\nMiB resident (without shared pages) over time")
    print("   seconds   samples " + "".join(f"{column:>17}" for column in COLUMNS))
    series = figures["series"]
    for row in series[:: max(1, len(series) // 20)]:
        print(f"{row['seconds']:10.0f}{row['samples']:10,.0f} " + "".join(f"{row.get(c, 0):17.1f}" for c in COLUMNS))
    solving = [row for row in series if row["seconds"] <= solve_s and row["samples"]]
    slopes = {column: meters.slope(solving, column, "samples") for column in COLUMNS}
    print("per 100,000 samples " + "".join(f"{slopes[c]:17.2f}" for c in COLUMNS) + "   (second half of solving)")
    print("\nstorage")
    for prefix, (files, size) in figures["files"].items():
        print(f"  {prefix or 'all':20} {files:8,} files {size / 1e6:10,.1f} MB")
    for phase in ("requests_solve", "requests_publish"):
        print(f"  {phase:17} " + ", ".join(f"{n:,} {name}" for name, n in sorted(figures[phase].items())))
    print()
    projection.show(figures)


def _start_ray(options: argparse.Namespace, folder: Path, counted: Path) -> None:
    """A Ray of one machine. Ray gives its processes 30 seconds to start, which a busy machine may not keep."""
    import ray

    for attempt in range(START_ATTEMPTS):
        try:
            ray.init(
                address="local",
                num_cpus=options.cpus,
                object_store_memory=300 * 2**20,
                _temp_dir=str(folder / f"ray{attempt}"),
                include_dashboard=False,
                log_to_driver=options.verbose,
                logging_level=logging.WARNING,
                runtime_env={
                    "env_vars": {"PYTHONPATH": str(ROOT), meters.REQUESTS: str(counted)},
                    "worker_process_setup_hook": "tests.bench.meters.count_requests",
                },
            )
            return
        except Exception as error:
            print(f"ray did not start: {error}", flush=True)
            ray.shutdown()
    sys.exit("ray does not start on this machine")


def _recipe(options: argparse.Namespace, folder: Path) -> Recipe:
    workers = options.workers
    return Recipe.model_validate(
        {
            "name": "scale",
            "sources": [{"path": str(folder / "problems.jsonl")}],
            "decontaminate": {"benchmarks": []},
            "teacher": {"model": str(ROOT / "jobs" / "demo" / "teacher"), "engine": {"num_gpus": 0, "num_cpus": 0}},
            "sandbox": {"num_cpus": 0},  # neither is started, but a run counts them before it starts
            "programs": {"workers": [workers, workers], "num_cpus": 0.5, "problems_in_flight": options.in_flight},
            "journal": {"part_mb": options.part_mb, "part_age_s": options.part_age},
        }
    )


def _storage(options: argparse.Namespace, folder: Path, stack: ExitStack) -> str:
    if not options.s3:
        return str(folder / "run")
    import boto3

    from tests.s3.ceph import Ceph

    server = stack.enter_context(Ceph(folder / "ceph"))
    os.environ.update(server.environment)
    boto3.session.Session().client("s3", endpoint_url=server.endpoint).create_bucket(Bucket="scale")
    return "s3://scale/run"


def _size(store: Store, prefix: str) -> tuple[int, int]:
    entries = list(store.list(prefix))
    return len(entries), sum(entry.size for entry in entries)


def _tallies(store: Store, kind: type) -> list[list[int]]:
    from factory.store.parts import scan

    return [list(astuple(count)) for info in scan(store, kind) for count in info.tally.values()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--length", type=float, default=0.01, help="length of samples, as a share of the real")
    parser.add_argument("--tokens-per-s", type=float, default=1000.0, help="speed of one simulated sequence")
    parser.add_argument("--capacity", type=int, default=512, help="sequences of the engine of one worker")
    parser.add_argument("--failures", type=float, default=0.002, help="share of requests whose engine goes away")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="program workers")
    parser.add_argument("--in-flight", type=int, default=64, help="problems of one worker")
    parser.add_argument("--part-mb", type=float, default=32.0)
    parser.add_argument("--part-age", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks at memory")
    parser.add_argument("--s3", action="store_true", help="into an S3 server started for this")
    parser.add_argument("--dir", default="/tmp", help="where everything lies")
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
