"""Rows through the stages of a run as a Ray Data graph. A kind of run (`factory/runs`) declares the stages.

Every edge streams and every worker may die. What a worker finished is in the journal, so a graph keeps no state: it is
built from what the ledger says is missing, runs, and is built again until nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset, TaskPoolStrategy

from factory import ingest
from factory.report.idle import IdleTime
from factory.stages.read import Read, ReadCurated
from factory.stages.services import Connect
from factory.stages.stage import Stage
from factory.stages.worker import worker_class
from factory.store.index import JournalSnapshot
from factory.store.run import Run

MAX_PASSES = 3
ROWS_PER_TASK = 8
ROWS_PER_BATCH = 256  # of stages that compare texts
TASK_CPUS = 0
"""Tasks ask for no CPU: actors may hold every CPU for as long as the graph runs (`cluster/fit` has the rules)."""
READERS = 8  # at once, as nothing else bounds them
Rows = Dataset
"""Rows between two stages: lazy, streamed, never whole in one place."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one start of a job works on, and with what."""

    run: Run
    recipe: Any
    """The recipe of the run's kind, its pools sized for the cluster."""
    inputs: ingest.Inputs
    ledger: Any
    connect: Connect | None = None
    prepared: Any = None
    """What the kind of run prepared for its stages, such as a reference to an index."""

    def snapshot(self) -> JournalSnapshot:
        """The state of the run's journal at this moment."""
        snapshot: JournalSnapshot = ray.get(self.ledger.snapshot.remote())
        return snapshot


def run_passes(work: Work, graph: Callable[[Work], Dataset], remaining: Callable[[Work], int], idle: IdleTime) -> int:
    """Run the graph, pass after pass, until no row remains. Returns how many do: 0 unless an engine is away."""
    for _ in range(MAX_PASSES):
        if not remaining(work):
            break
        for batch in graph(work).iter_batches(batch_size=None, batch_format="pyarrow"):
            idle.update(batch["worker"].to_pylist(), batch["idle"].to_pylist())
    return remaining(work)


def remaining_inputs(work: Work, kind: type, snapshot: JournalSnapshot) -> Dataset | None:
    """Input rows of one kind that have no ending; None if the run has no inputs of that kind."""
    return read(Read(work.run, work.inputs, snapshot.finished), work.inputs.parts_of(kind))


def read(reader: Read | ReadCurated, parts: list[str]) -> Dataset | None:
    """The rows of some parts; None if there are no parts, as an empty dataset would have no columns."""
    if not parts:
        return None
    _configure()
    keys = ray.data.from_items([{"part": key} for key in parts], override_num_blocks=min(len(parts), 64))
    tasks = TaskPoolStrategy(size=min(READERS, len(parts)))
    return keys.map_batches(reader, batch_size=1, batch_format="pyarrow", num_cpus=TASK_CPUS, compute=tasks)


def run_program_stage(rows: Dataset, stage: Stage, work: Work, rows_expected: int) -> Dataset:
    """Rows through a stage of program workers, many rows in flight in each."""
    assert stage.program is not None
    assert stage.in_flight is not None
    size = max(1, min(ROWS_PER_TASK, rows_expected // (4 * stage.pool.actors[1])))
    arguments = (work.run, work.recipe, work.connect, stage.program, stage.in_flight)
    return _actors(
        _small_blocks(rows, size),
        worker_class(stage.program),
        arguments,
        stage,
        batch_size=size,
        calls=math.ceil(2 * stage.in_flight / size),  # the stage admits half of them; the others wait for storage
    )


def run_stage(rows: Dataset, stage: Stage, arguments: tuple[Any, ...]) -> Dataset:
    """Rows through a stage that takes batches one at a time."""
    assert stage.worker is not None
    return _actors(rows, stage.worker, arguments, stage)


def _small_blocks(rows: Dataset, size: int) -> Dataset:
    """Few read tasks, then small blocks: one task emits many blocks, so actors never wait for the next task."""
    blocks = rows.repartition(target_num_rows_per_block=size)
    # repartition takes no resource arguments: its tasks would each ask for a whole CPU, and actors may hold all of them
    blocks._logical_plan.dag.ray_remote_args["num_cpus"] = TASK_CPUS
    return blocks


def _actors(
    rows: Dataset,
    worker: type,
    arguments: tuple[Any, ...],
    stage: Stage,
    *,
    batch_size: int = ROWS_PER_BATCH,
    calls: int | None = None,
) -> Dataset:
    """Rows through the stage's autoscaled pool of actors, each with `calls` calls in flight."""
    low, high = stage.pool.actors
    pool = ActorPoolStrategy(
        min_size=low,
        max_size=high,
        max_concurrent_calls_per_actor=calls,
        max_tasks_in_flight_per_actor=2 * calls if calls else None,  # the pool grows only while tasks queue
    )
    return rows.map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_size=batch_size,
        batch_format="pyarrow",
        num_cpus=stage.pool.cpus,
        num_gpus=stage.pool.gpus or None,
        compute=pool,
    )


def _configure() -> None:
    context = DataContext.get_current()
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = -1  # waiting half an hour for spot machines is not a failure
    context.max_consecutive_actor_init_deaths = 10
    context.raise_original_map_exception = True  # else the text of an error for the user is lost
    context.enable_progress_bars = False
    context.issue_detectors_config.detectors = []  # rows that take hours are normal here
