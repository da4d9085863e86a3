"""A run of any kind from its recipe to its published dataset: inputs, services, the graph, publish.

The driver keeps no state of its own: it may die at any moment, and the next one continues from storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from factory import ingest, runs
from factory.cluster import services
from factory.cluster.fit import fit
from factory.cluster.metrics_sink import RaySink
from factory.cluster.pinned import pin
from factory.cluster.usage import cluster_snapshot
from factory.graph import Work
from factory.recipe import RunRecipe
from factory.report.funnel import Stage
from factory.report.funnel_metrics import FunnelMetrics
from factory.report.idle import IdleTime
from factory.report.progress import RunProgress
from factory.runs.kind import Published, RunKind
from factory.stages.ledger import Ledger
from factory.store import driver_lease
from factory.store.counts import JournalCounts
from factory.store.driver_lease import DriverLease
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.run import Run
from factory.store.usage import Meter

Emit = Callable[[str], None]
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished job reports."""

    published: Published
    unfinished: int
    progress: RunProgress
    idle: IdleTime

    @property
    def stages(self) -> list[Stage]:
        """The funnel."""
        return self.published.stages

    @property
    def manifest(self) -> Manifest | None:
        """Of the published dataset; None where the kind of run publishes none."""
        return self.published.manifest

    @property
    def n_traces(self) -> int:
        """Published traces."""
        return sum(shard.rows for shard in self.manifest.shards) if self.manifest else 0


def prepare(recipe: RunRecipe, uri: str) -> Run:
    """Find what is wrong before any machine is started: output, inputs, models. Opens the run at `uri`."""
    kind, store = runs.of_recipe(recipe), Store.open(uri)
    store.caveat()  # raises where the keys are about to end
    kind.check(recipe, store)
    services.check(recipe)
    recipe = kind.resolve(recipe, store)
    return Run.open(uri, recipe)


def complete(run: Run, recipe: RunRecipe, *, emit: Emit) -> RunResult:
    """Bring a run to its published dataset, from wherever it stands. Ray must be initialised.

    Raises `driver_lease.RunLocked` if another driver is at it, and ends the process where another one takes over.
    """
    kind = runs.of_recipe(recipe)
    recipe = kind.resolve(recipe, run.store)
    prices = recipe.prices.model_dump(exclude_none=True)
    with (
        driver_lease.held(run.store) as lease,
        Meter(run.store, partial(cluster_snapshot, recipe, {}), prices=prices).running() as meter,
    ):
        return _complete(kind, run, recipe, lease, meter, emit=emit)


def _complete(
    kind: RunKind[Any], run: Run, recipe: RunRecipe, lease: DriverLease, meter: Meter, *, emit: Emit
) -> RunResult:
    emit(f"run {run.fingerprint} at {run.uri} ({'new' if run.created else 'continued'})")
    if caveat := run.store.caveat():
        emit(f"mind: {caveat}")
    inputs = ingest.load(run.store) or kind.read_inputs(run, recipe, on_cluster)
    kinds = f"{inputs.problems:,} problems, {inputs.threads:,} threads, {sum(inputs.rejects.values()):,} rejects"
    emit(f"inputs: {inputs.rows:,} rows, {kinds}")
    unfinished, idle = 0, IdleTime()
    # engines that are still up wait for this word, and to read a long journal may take longer than they linger
    with services.hold_engines(recipe, run, lease.number):
        ledger = _ledger(run)
        funnel_metrics = FunnelMetrics(RaySink(run.fingerprint), inputs.problems, inputs.rejects)
        counts = partial(_counts, ledger)
        progress = RunProgress(
            counts, emit, problems=inputs.problems, threads=inputs.threads, watch=funnel_metrics.record
        )
        if kind.remaining(Work(run, recipe, inputs, ledger)):
            prepared = kind.prepare(run, recipe)
            recipe = fit(pin(recipe, run.store), kind.stages, emit)
            with services.running(recipe, run, ledger, lease.number, emit) as connect, progress.reported():
                meter.cluster_snapshot, meter.engine_time = (
                    partial(cluster_snapshot, recipe, connect.pools),
                    idle.seconds,
                )
                unfinished = kind.finish(Work(run, recipe, inputs, ledger, connect, prepared), idle)

    lease.check()
    kind.conclude(run, recipe, inputs, on_cluster)

    published = kind.publish(run, recipe, inputs, on_cluster)
    ingest.publish_rejects(run.store, inputs)
    return RunResult(published, unfinished, progress, idle)


def _ledger(run: Run) -> Any:
    """The ledger's actor. If it is killed, Ray restarts it and retries the calls in flight.

    It runs on the driver's node: if that node dies the job ends anyway, and no second node is kept alive. (Ray
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


def on_cluster(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterable[Result]:
    """A mapper that runs each task where the cluster has a free CPU; results in the order of the tasks."""

    def call(task: Task) -> Result:  # Ray takes functions, no `partial`
        return function(task)

    remote = ray.remote(max_retries=-1)(call)
    return [ray.get(reference) for reference in [remote.remote(task) for task in tasks]]
