"""The graph of a build, on Ray: problems and threads that remain, the near-duplicate barrier, the benchmark index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.data import Dataset

from factory.decontaminate import benchmarks
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.graph import MAX_PASSES, Work, read, remaining_inputs, run_program_stage, run_stage
from factory.recipe import Decontaminate, Recipe
from factory.records import Problem, Thread
from factory.runs.build import curate_stage
from factory.stages import near_duplicates
from factory.stages.read import ReadCurated
from factory.stages.stage import Stage, embedding_pool
from factory.store.fs import Store
from factory.store.run import Run

INDEX_FILES = ("vectors.npy", "problems.jsonl", "meta.json")  # the last one makes the index complete


class Remaining(NamedTuple):
    """Known rows that have no ending yet."""

    threads: int  # to be curated
    problems: int  # to be solved


def remaining(work: Work) -> Remaining:
    """Count what the graph would read."""
    snapshot = work.snapshot()
    tables = remaining_inputs(work, Problem, snapshot)
    return Remaining(work.inputs.threads - snapshot.n_threads, snapshot.n_curated + (tables.count() if tables else 0))


def problems(work: Work) -> Dataset:
    """Problems without an ending: those of tables, those curated by an earlier start, and those curated now."""
    snapshot = work.snapshot()
    tables = remaining_inputs(work, Problem, snapshot)
    curated = read(ReadCurated(work.run, snapshot.finished), snapshot.curated)
    threads = remaining_inputs(work, Thread, snapshot) if snapshot.n_threads < work.inputs.threads else None
    if threads is not None:
        threads = run_program_stage(threads, curate_stage(work.recipe), work, work.inputs.threads)
    first, *others = [rows for rows in (tables, curated, threads) if rows is not None]
    return first.union(*others) if others else first


def find_duplicates(work: Work) -> bool:
    """Compare all problems with each other, once in a run's life; False if some threads could not be curated.

    Which problem of a group stays must not depend on which arrives first, so this is the one barrier of the graph: its
    first part runs to the end, actors embed the problems that came out, and one task compares them.
    """
    if work.run.store.exists(near_duplicates.FOUND):
        return True
    for _ in range(MAX_PASSES):
        if remaining(work).threads:
            problems(work).count()
    now = remaining(work)
    if now.problems and not now.threads:
        embed = Stage("embed", embedding_pool(work.recipe.decontaminate), near_duplicates.Embed)
        embedded = run_stage(problems(work), embed, (work.recipe,)).to_arrow_refs()
        ray.get(ray.remote(max_retries=-1)(_find).remote(work.run.store, embedded, work.recipe))
    return not now.threads


def _find(store: Store, blocks: list[Any], recipe: Recipe) -> None:
    near_duplicates.find(store, ray.get(blocks), recipe)


def benchmark_index(run: Run, recipe: Recipe) -> Any:
    """A reference to the index of the recipe's benchmarks, None if it names none.

    The benchmarks are embedded once in a run's life, on a node that has what one embedding actor asks for; later starts
    read the index from the run. Workers on one node share its arrays.
    """
    config = recipe.decontaminate
    if not config.compares:
        return None
    with tempfile.TemporaryDirectory() as folder:
        if run.store.exists(f"benchmarks/{INDEX_FILES[-1]}"):
            for name in INDEX_FILES:
                (Path(folder) / name).write_bytes(run.store.read(f"benchmarks/{name}"))
            return ray.put(BenchmarkIndex.load(folder))
        problems = benchmarks.read(benchmarks.chosen(config))
        embed = ray.remote(max_retries=-1, num_cpus=config.reserved_cpus, num_gpus=config.num_gpus)(_embed)
        index = embed.remote(problems, config)
        try:
            ray.get(index).save(folder)
        except ray.exceptions.RayTaskError as error:  # a missing model is for the user to fix, without Ray around it
            raise error.cause from None
        for name in INDEX_FILES:
            run.store.write(f"benchmarks/{name}", (Path(folder) / name).read_bytes())
        return index


def load_index(work: Work) -> Callable[[], BenchmarkIndex]:
    """A function that gets the prepared index, for workers on any node."""
    return partial(ray.get, work.prepared)


def _embed(problems: list[benchmarks.BenchmarkProblem], config: Decontaminate) -> BenchmarkIndex:
    embedder = Embedder(config.embedding, cache=config.cache)
    return BenchmarkIndex(problems, embedder.embed([problem.text for problem in problems]), embedder.key)
