"""The Ray Data graph of a run: read -> decontaminate -> solve -> publish. The only file that knows every part.

Every arrow streams and every worker may die. What a worker finished lies in the journal, so the driver holds no truth:
it asks the ledger what is missing, feeds that through the graph, and asks again until nothing is.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset

from factory import ingest, services
from factory.decontaminate.benchmarks import read as read_benchmarks
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.errors import FactoryError
from factory.recipe import Recipe
from factory.report.card import card
from factory.report.funnel import Stage, funnel
from factory.report.idle import IdleTime
from factory.report.progress import Progress
from factory.stages.decontaminate import Decontaminate
from factory.stages.ledger import Ledger
from factory.stages.read import Read
from factory.stages.services import Connect
from factory.stages.solve import UNFINISHED, Solve
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import publish
from factory.store.run import Run

MAX_PASSES = 3
INDEX_FILES = ("vectors.npy", "problems.jsonl", "meta.json")  # the last one makes the index complete
PROBLEMS_PER_TASK = 8
STAGE_CPUS = 0.25
"""CPUs set aside for a worker that mostly waits, so that actors never take all CPUs and hold the graph up."""

Say = Callable[[str], None]
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a job can say at its end."""

    stages: list[Stage]
    manifest: Manifest
    unfinished: int
    progress: Progress
    idle: IdleTime

    @property
    def n_traces(self) -> int:
        """Published traces."""
        return sum(shard.rows for shard in self.manifest.shards)


def prepare(recipe: Recipe, uri: str) -> Run:
    """Find what is wrong before any machine is started: output, sources, models, benchmarks. Opens the run at `uri`."""
    for source in recipe.sources:
        if source.kind != "table":
            raise FactoryError(
                f"the source {source.path} holds threads",
                why="this job solves problems; curating threads into problems is not part of its graph yet",
                remedy="give tables of problems (kind: table), or columns of the threads as they are",
            )
    if ingest.finished(Store.open(uri)) is None:
        ingest.work(recipe.sources)
    services.check(recipe)
    read_benchmarks(recipe.decontaminate.benchmarks)
    return Run.open(uri, recipe)


def build(run: Run, recipe: Recipe, *, say: Say) -> Finished:
    """Bring a run to its published dataset, from wherever it stands. Ray must be initialised."""
    say(f"run {run.fingerprint} at {run.uri} ({'new' if run.created else 'continued'})")
    inputs = take_in(run, recipe)
    say(f"inputs: {inputs.rows:,} rows, {inputs.problems:,} problems, {sum(inputs.rejects.values()):,} rejects")
    ledger = _ledger(run)
    unfinished, idle, progress = 0, IdleTime(), Progress(lambda: ray.get(ledger.counts.remote()), inputs.problems, say)
    if len(ray.get(ledger.finished_hashes.remote())) < inputs.problems:
        index = benchmark_index(run, recipe)
        with services.running(recipe, run, ledger, say) as connect, progress:
            for _ in range(MAX_PASSES):
                unfinished = solve(Work(run, recipe, inputs, ledger, connect, index), idle)[UNFINISHED]
                if not unfinished:
                    break
    manifest = publish(run, recipe.publish, mapper=_on_cluster, card=lambda m: {"README.md": _card(run, inputs, m)})
    ingest.publish_rejects(run.store, inputs)
    return Finished(_stages(inputs, manifest), manifest, unfinished, progress, idle)


def take_in(run: Run, recipe: Recipe) -> ingest.Inputs:
    """Read the sources on the cluster, unless an earlier start has."""
    known = ingest.finished(run.store)
    if known is not None:
        return known
    tasks = [(run.store, number, splits) for number, splits in enumerate(ingest.work(recipe.sources))]
    parts = _on_cluster(lambda task: ingest.ingest(*task), tasks)
    return ingest.finish(run.store, [part for group in parts for part in group])


def benchmark_index(run: Run, recipe: Recipe) -> BenchmarkIndex | None:
    """The index of the recipe's benchmarks: embedded once in a run's life, then read from the run."""
    if not recipe.decontaminate.benchmarks:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if run.store.exists(f"benchmarks/{INDEX_FILES[-1]}"):
            for name in INDEX_FILES:
                (Path(folder) / name).write_bytes(run.store.read(f"benchmarks/{name}"))
            return BenchmarkIndex.load(folder)
        index = BenchmarkIndex.build(
            recipe.decontaminate.benchmarks,
            Embedder(recipe.decontaminate.embedding, cache=recipe.decontaminate.cache),
        )
        index.save(folder)
        for name in INDEX_FILES:
            run.store.write(f"benchmarks/{name}", (Path(folder) / name).read_bytes())
        return index


@dataclass(frozen=True, slots=True)
class Work:
    """What one start of a job has to do, and with what."""

    run: Run
    recipe: Recipe
    inputs: ingest.Inputs
    ledger: Any
    connect: Connect
    benchmarks: BenchmarkIndex | None


def solve(work: Work, idle: IdleTime) -> Counter[str]:
    """One pass over everything that is not finished; how many rows ended how."""
    outcomes: Counter[str] = Counter()
    for batch in graph(work).iter_batches(batch_size=None, batch_format="pyarrow"):
        outcomes.update(batch["outcome"].to_pylist())
        idle.update(batch["worker"].to_pylist(), batch["idle"].to_pylist())
    return outcomes


def graph(work: Work) -> Dataset:
    """The lazy graph: input parts -> problems not finished -> those not contaminated -> summaries of their outcomes."""
    run, recipe, inputs = work.run, work.recipe, work.inputs
    finished = ray.get(work.ledger.finished_hashes.remote())
    _configure()
    parts = [{"part": key} for key in inputs.parts if key.startswith("inputs/Problem/")]
    rows = ray.data.from_items(parts, override_num_blocks=min(len(parts), 64) or 1)
    rows = rows.map_batches(Read(run, inputs, finished), batch_size=1, batch_format="pyarrow", num_cpus=STAGE_CPUS)
    if work.benchmarks is not None:
        low, high = recipe.decontaminate.actors
        rows = rows.map_batches(
            Decontaminate,
            fn_constructor_args=(run, recipe, work.benchmarks, work.connect),
            batch_size=256,
            batch_format="pyarrow",
            num_cpus=STAGE_CPUS,
            compute=ActorPoolStrategy(min_size=low, max_size=high),
        )
    low, high = recipe.programs.workers
    size = max(1, min(PROBLEMS_PER_TASK, inputs.problems // (4 * high)))
    # few read tasks, then small blocks: one task emits many blocks, and the actors are fed without a pause
    rows = rows.repartition(target_num_rows_per_block=size)
    calls = math.ceil(recipe.programs.problems_in_flight / size)
    return rows.map_batches(
        Solve,
        fn_constructor_args=(run, recipe, work.connect),
        batch_size=size,
        batch_format="pyarrow",
        num_cpus=recipe.programs.num_cpus,
        compute=ActorPoolStrategy(
            min_size=low,
            max_size=high,
            max_concurrent_calls_per_actor=calls,
            max_tasks_in_flight_per_actor=2 * calls,  # a pool grows only while its actors have tasks to spare
        ),
    )


def _configure() -> None:
    context = DataContext.get_current()
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = -1  # waiting half an hour for spot machines is no failure
    context.max_consecutive_actor_init_deaths = 10
    context.enable_progress_bars = False
    context.issue_detectors_config.detectors = []  # rows that take hours are no issue here


def _ledger(run: Run) -> Any:
    """The ledger's actor: killed, Ray starts it again, and the calls under way are made again."""
    actor = ray.remote(Ledger).options(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=16)
    return actor.remote(run.uri)


def _on_cluster(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterable[Result]:
    """A mapper that runs each task where the cluster has a free CPU; results in the order of the tasks."""
    remote = ray.remote(max_retries=-1)(function)
    return [ray.get(reference) for reference in [remote.remote(task) for task in tasks]]


def _stages(inputs: ingest.Inputs, manifest: Manifest) -> list[Stage]:
    kept = inputs.problems + inputs.threads
    read = Stage(name="read", unit="rows", rows_in=inputs.rows, rows_out=kept, rejects=inputs.rejects)
    return funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards))


def _card(run: Run, inputs: ingest.Inputs, manifest: Manifest) -> bytes:
    return card(manifest, run.recipe, _stages(inputs, manifest))
