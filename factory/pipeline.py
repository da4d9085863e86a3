"""A run from its recipe to its published dataset: inputs, services, the graph, publish. Knows every part.

The driver holds no truth: it may die at any moment, and the next one goes on from what lies in storage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from factory import ingest
from factory.cluster import services
from factory.cluster.fit import fit
from factory.cluster.metrics_sink import RaySink
from factory.cluster.usage import held
from factory.decontaminate import benchmarks
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.graph import Work, finish, left
from factory.recipe import Decontaminate as DecontaminateSettings
from factory.recipe import Recipe
from factory.report import contamination
from factory.report.card import card
from factory.report.funnel import Stage, funnel
from factory.report.funnel_metrics import FunnelMetrics
from factory.report.idle import IdleTime
from factory.report.progress import Progress
from factory.stages.ledger import Ledger
from factory.store.counts import JournalCounts
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import publish
from factory.store.run import Run
from factory.store.usage import Meter
from factory.views.nemotron import NemotronMath

INDEX_FILES = ("vectors.npy", "problems.jsonl", "meta.json")  # the last one makes the index complete

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
    if ingest.finished(Store.open(uri)) is None:
        ingest.work(recipe.sources)
    services.check(recipe)
    benchmarks.read(benchmarks.chosen(recipe.decontaminate))
    return Run.open(uri, recipe)


def build(run: Run, recipe: Recipe, *, say: Say) -> Finished:
    """Bring a run to its published dataset, from wherever it stands. Ray must be initialised."""
    prices = recipe.prices.model_dump(exclude_none=True)
    with Meter(run.store, partial(held, recipe, {}), prices=prices).running() as meter:
        return _build(run, recipe, meter, say)


def _build(run: Run, recipe: Recipe, meter: Meter, say: Say) -> Finished:
    say(f"run {run.fingerprint} at {run.uri} ({'new' if run.created else 'continued'})")
    inputs = take_in(run, recipe)
    kinds = f"{inputs.problems:,} problems, {inputs.threads:,} threads, {sum(inputs.rejects.values()):,} rejects"
    say(f"inputs: {inputs.rows:,} rows, {kinds}")
    ledger = _ledger(run)
    funnel_metrics = FunnelMetrics(RaySink(run.fingerprint), inputs.problems, inputs.rejects)
    unfinished, idle = 0, IdleTime()
    counts = partial(_counts, ledger)
    progress = Progress(counts, say, problems=inputs.problems, threads=inputs.threads, watch=funnel_metrics.record)
    if sum(left(run, inputs, ledger)):
        index = benchmark_index(run, recipe)
        recipe = fit(recipe, say)
        with services.running(recipe, run, ledger, say) as connect, progress.reported():
            meter.held, meter.engine_time = partial(held, recipe, connect.pools), idle.seconds
            unfinished = finish(Work(run, recipe, inputs, ledger, connect, index), idle)
    else:
        services.end(run)
    manifest = publish(run, recipe.publish, NemotronMath(), mapper=_on_cluster, card=lambda m: _card(run, inputs, m))
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


def benchmark_index(run: Run, recipe: Recipe) -> Any:
    """A reference to the index of the recipe's benchmarks, None without any: embedded once in a run's life, where the
    cluster has what one embedding actor asks for, then read from the run. Workers of one node share its arrays."""
    config = recipe.decontaminate
    if not config.compares:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if run.store.exists(f"benchmarks/{INDEX_FILES[-1]}"):
            for name in INDEX_FILES:
                (Path(folder) / name).write_bytes(run.store.read(f"benchmarks/{name}"))
            return ray.put(BenchmarkIndex.load(folder))
        problems = benchmarks.read(benchmarks.chosen(config))
        embed = ray.remote(max_retries=-1, num_cpus=config.reserved_cpus, num_gpus=config.num_gpus)(_embedded)
        index = embed.remote(problems, config)
        try:
            ray.get(index).save(folder)
        except ray.exceptions.RayTaskError as error:  # a model that is not there is for the user, without Ray around it
            raise error.cause from None
        for name in INDEX_FILES:
            run.store.write(f"benchmarks/{name}", (Path(folder) / name).read_bytes())
        return index


def _embedded(problems: list[benchmarks.BenchmarkProblem], config: DecontaminateSettings) -> BenchmarkIndex:
    embedder = Embedder(config.embedding, cache=config.cache)
    return BenchmarkIndex(problems, embedder.embed([problem.text for problem in problems]), embedder.key)


def _ledger(run: Run) -> Any:
    """The ledger's actor: killed, Ray starts it again, and the calls under way are made again.

    It lives with the driver, on the one machine whose end is the end of the job anyhow, and keeps no other one up. (Ray
    places actors without CPUs at random unless they must be somewhere: an affinity that is soft means nothing to them.)
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Ledger).options(
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=-1,
        max_concurrency=16,
        scheduling_strategy=here,
        enable_task_events=False,  # or Ray's head would keep a record of every call
    )
    return actor.remote(run.uri)


def _counts(ledger: Any) -> JournalCounts:
    counts: JournalCounts = ray.get(ledger.counts.remote())
    return counts


def _on_cluster(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterable[Result]:
    """A mapper that runs each task where the cluster has a free CPU; results in the order of the tasks."""
    remote = ray.remote(max_retries=-1)(function)
    return [ray.get(reference) for reference in [remote.remote(task) for task in tasks]]


def _stages(inputs: ingest.Inputs, manifest: Manifest) -> list[Stage]:
    kept = inputs.problems + inputs.threads
    read = Stage(name="read", unit="rows", rows_in=inputs.rows, rows_out=kept, rejects=inputs.rejects)
    return funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards), inputs.threads)


def _card(run: Run, inputs: ingest.Inputs, manifest: Manifest) -> dict[str, bytes]:
    return card(manifest, run.recipe, _stages(inputs, manifest), contamination.of_run(run))
