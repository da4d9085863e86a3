"""The Ray Data graph of a run: read -> curate -> near-duplicates -> decontaminate -> solve. Read it from `graph` down.

Every arrow streams and every worker may die. What a worker finished lies in the journal, so the graph holds no truth:
it is made of what the ledger says is missing, runs, and is made again until nothing is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset, TaskPoolStrategy

from factory import ingest
from factory.recipe import Recipe
from factory.records import Problem, Thread
from factory.report.idle import IdleTime
from factory.stages import near_duplicates
from factory.stages.curate import Curate
from factory.stages.decontaminate import Decontaminate
from factory.stages.read import Read, ReadCurated
from factory.stages.services import Connect
from factory.stages.solve import Solve
from factory.store.index import Standing
from factory.store.run import Run

MAX_PASSES = 3
ROWS_PER_TASK = 8
ROWS_PER_BATCH = 256  # of stages that compare texts
TASK_CPUS = 0
"""Tasks ask for no CPU: actors may hold all there are, for as long as the graph runs (`cluster/fit` has the rules)."""
READERS = 8  # at once, as nothing else bounds them


@dataclass(frozen=True, slots=True)
class Work:
    """What one start of a job has to do, and with what."""

    run: Run
    recipe: Recipe
    inputs: ingest.Inputs
    ledger: Any
    connect: Connect
    benchmarks: Any  # a reference to the benchmark index, or None


def graph(work: Work) -> Dataset:
    """The lazy graph, from problems that are not finished to summaries of how each of them ended."""
    run, recipe = work.run, work.recipe
    rows = problems(work)
    if recipe.near_duplicates.enabled:
        rows = _actors(rows, near_duplicates.NearDuplicates, (run, recipe), actors=(1, 1), num_cpus=0)
    if work.benchmarks is not None:
        index = partial(ray.get, work.benchmarks)
        rows = _embedding(rows, Decontaminate, (run, recipe, index, work.connect), recipe)
    return _programs(
        rows,
        Solve,
        work,
        rows_expected=work.inputs.problems + work.inputs.threads,
        actors=recipe.programs.workers,
        in_flight=recipe.programs.problems_in_flight,
    )


def problems(work: Work) -> Dataset:
    """Problems not finished: those of tables, those that threads gave before, and those that threads give now."""
    inputs = work.inputs
    standing: Standing = ray.get(work.ledger.standing.remote())
    unfinished = Read(work.run, inputs, standing.finished)
    tables = _read(unfinished, inputs.parts_of(Problem))
    given = _read(ReadCurated(work.run, standing.finished), standing.curated)
    threads = _read(unfinished, inputs.parts_of(Thread)) if standing.n_threads < inputs.threads else None
    if threads is not None:
        threads = _programs(
            threads,
            Curate,
            work,
            rows_expected=inputs.threads,
            actors=work.recipe.curate.actors,
            in_flight=work.recipe.curate.threads_in_flight,
        )
    first, *others = [rows for rows in (tables, given, threads) if rows is not None]
    return first.union(*others) if others else first


def finish(work: Work, idle: IdleTime) -> int:
    """Run the graph, pass after pass, until nothing is left; how many rows are, where an engine stays away."""
    if work.recipe.near_duplicates.enabled and not find_duplicates(work):
        return sum(left(work.run, work.inputs, work.ledger))
    for _ in range(MAX_PASSES):
        if not sum(left(work.run, work.inputs, work.ledger)):
            break
        for batch in graph(work).iter_batches(batch_size=None, batch_format="pyarrow"):
            idle.update(batch["worker"].to_pylist(), batch["idle"].to_pylist())
    return sum(left(work.run, work.inputs, work.ledger))


def find_duplicates(work: Work) -> bool:
    """Compare all problems with each other, once in a run's life; False where threads could not be curated to the end.

    Which one of a group stays must not depend on who comes first, so this is the one place where the graph waits: its
    first part runs to the end, actors embed what came of it, and one task compares.
    """
    if work.run.store.exists(near_duplicates.FOUND):
        return True
    for _ in range(MAX_PASSES):
        if left(work.run, work.inputs, work.ledger).threads:
            problems(work).count()
    now = left(work.run, work.inputs, work.ledger)
    if now.problems and not now.threads:
        embedded = _embedding(problems(work), near_duplicates.Embed, (work.recipe,), work.recipe).to_arrow_refs()

        def find(blocks: list[Any]) -> None:
            near_duplicates.find(work.run.store, ray.get(blocks), work.recipe)

        ray.get(ray.remote(max_retries=-1)(find).remote(embedded))
    return not now.threads


class Left(NamedTuple):
    """What is still to be done, of all that is known so far."""

    threads: int  # to be curated
    problems: int  # to be solved


def left(run: Run, inputs: ingest.Inputs, ledger: Any) -> Left:
    """Count what the graph would read."""
    standing: Standing = ray.get(ledger.standing.remote())
    tables = _read(Read(run, inputs, standing.finished), inputs.parts_of(Problem))
    return Left(inputs.threads - standing.n_threads, standing.n_curated + (tables.count() if tables else 0))


def _read(reader: Read | ReadCurated, parts: list[str]) -> Dataset | None:
    """The rows of some parts; None where there is no part, as an empty dataset would have no columns."""
    if not parts:
        return None
    _configure()
    keys = ray.data.from_items([{"part": key} for key in parts], override_num_blocks=min(len(parts), 64))
    tasks = TaskPoolStrategy(size=min(READERS, len(parts)))
    return keys.map_batches(reader, batch_size=1, batch_format="pyarrow", num_cpus=TASK_CPUS, compute=tasks)


def _programs(
    rows: Dataset, stage: type, work: Work, *, rows_expected: int, actors: tuple[int, int], in_flight: int
) -> Dataset:
    """Rows through a stage of async workers, many rows under way in each."""
    size = max(1, min(ROWS_PER_TASK, rows_expected // (4 * actors[1])))
    return _actors(
        _small_blocks(rows, size),
        stage,
        (work.run, work.recipe, work.connect),
        actors=actors,
        num_cpus=work.recipe.programs.num_cpus,
        batch_size=size,
        calls=math.ceil(2 * in_flight / size),  # the stage admits half of them; the others wait for storage
    )


def _small_blocks(rows: Dataset, size: int) -> Dataset:
    """Few read tasks, then small blocks: one task emits many blocks, and actors are fed without a pause."""
    blocks = rows.repartition(target_num_rows_per_block=size)
    # Ray Data takes no resources for this, and gives each of its tasks a whole CPU, which actors may all hold for ever
    blocks._logical_plan.dag.ray_remote_args["num_cpus"] = TASK_CPUS
    return blocks


def _embedding(rows: Dataset, stage: type, arguments: tuple[Any, ...], recipe: Recipe) -> Dataset:
    """Rows through a stage that embeds texts."""
    config = recipe.decontaminate
    return _actors(
        rows, stage, arguments, actors=config.actors, num_cpus=config.reserved_cpus, num_gpus=config.num_gpus or None
    )


def _actors(
    rows: Dataset,
    stage: type,
    arguments: tuple[Any, ...],
    *,
    actors: tuple[int, int],
    num_cpus: float,
    num_gpus: float | None = None,
    batch_size: int = ROWS_PER_BATCH,
    calls: int | None = None,
) -> Dataset:
    """Rows through an autoscaled pool of actors, each with so many calls under way at once."""
    low, high = actors
    pool = ActorPoolStrategy(
        min_size=low,
        max_size=high,
        max_concurrent_calls_per_actor=calls,
        max_tasks_in_flight_per_actor=2 * calls if calls else None,  # it grows only while actors have tasks to spare
    )
    return rows.map_batches(
        stage,
        fn_constructor_args=arguments,
        batch_size=batch_size,
        batch_format="pyarrow",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        compute=pool,
    )


def _configure() -> None:
    context = DataContext.get_current()
    context.execution_options.preserve_order = False
    context.execution_no_progress_timeout_s = -1  # waiting half an hour for spot machines is no failure
    context.max_consecutive_actor_init_deaths = 10
    context.raise_original_map_exception = True  # or an error for the user would lose its words on the way
    context.enable_progress_bars = False
    context.issue_detectors_config.detectors = []  # rows that take hours are no issue here
