"""Build: read -> curate -> near-duplicates -> decontaminate -> solve -> publish. Problems in, traces out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.data import Dataset

from factory import ingest
from factory.decontaminate import benchmarks
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.errors import FactoryError
from factory.graph import MAX_PASSES, Work, passes, read, through, through_programs, unread
from factory.programs.curate import CURATE
from factory.programs.solve import SOLVE
from factory.recipe import Decontaminate as DecontaminateSettings
from factory.recipe import Recipe
from factory.records import Problem, Thread
from factory.report import contamination
from factory.report.card import card
from factory.report.funnel import Stage as FunnelStage
from factory.report.idle import IdleTime
from factory.runs.kind import Kind, as_before
from factory.stages import near_duplicates
from factory.stages.declared import Pool, Stage, embedding, of_program
from factory.stages.decontaminate import Decontaminate
from factory.stages.read import ReadCurated
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import Mapper
from factory.store.run import RUN_FILE, Run

INDEX_FILES = ("vectors.npy", "problems.jsonl", "meta.json")  # the last one makes the index complete


class Build(Kind[Recipe]):
    """The kind of run that makes a dataset of reasoning traces."""

    recipe = Recipe

    def check(self, recipe: Recipe, store: Store) -> None:
        for source in recipe.sources:
            if source.kind == "run" and source.what == "traces":
                raise FactoryError(
                    f"a build draws samples, it reads none: {source.path}", remedy="set `what` to problems or rejects"
                )
        if ingest.finished(store) is None:
            ingest.work(recipe.sources)
        benchmarks.read(benchmarks.chosen(recipe.decontaminate))

    def complete(self, recipe: Recipe, store: Store) -> Recipe:
        """The recipe with the versions of the runs that it reads."""
        if not any(source.kind == "run" for source in recipe.sources):
            return recipe
        known = Run.attach(store.uri).recipe["sources"] if store.exists(RUN_FILE) else []
        sources = [as_before(source, before) for source, before in zip_longest(recipe.sources, known) if source]
        return recipe.model_copy(update={"sources": sources})

    def take_in(self, run: Run, recipe: Recipe, mapper: Mapper) -> ingest.Inputs:
        tasks = [(run.store, number, splits) for number, splits in enumerate(ingest.work(recipe.sources))]
        parts = mapper(lambda task: ingest.ingest(*task), tasks)
        return ingest.finish(run.store, [part for group in parts for part in group])

    def stages(self, recipe: Recipe) -> list[Stage]:
        compared = recipe.decontaminate
        return [
            *([_curate(recipe)] if recipe.curates else []),
            *([near_duplicates.stage()] if recipe.near_duplicates.enabled else []),
            *([Stage("decontaminate", embedding(compared), Decontaminate)] if compared.compares else []),
            of_program(SOLVE, recipe),
        ]

    def prepare(self, run: Run, recipe: Recipe) -> Any:
        return benchmark_index(run, recipe)

    def graph(self, work: Work) -> Dataset:
        rows = problems(work)
        for stage in self.stages(work.recipe):
            if stage.program is not CURATE:  # which `problems` has begun with
                rows = self.through(rows, stage, work)
        return rows

    def arguments(self, stage: Stage, work: Work) -> tuple[Any, ...]:
        if stage.worker is Decontaminate:
            return work.run, work.recipe, partial(ray.get, work.prepared), work.connect
        return work.run, work.recipe

    def left(self, work: Work) -> int:
        return sum(left(work))

    def finish(self, work: Work, idle: IdleTime) -> int:
        if work.recipe.near_duplicates.enabled and not find_duplicates(work):
            return self.left(work)
        return passes(work, self.graph, self.left, idle)

    def card(self, run: Run, manifest: Manifest, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        return card(manifest, run.recipe, stages, contamination.of_run(run))


def _curate(recipe: Recipe) -> Stage:
    settings = recipe.curate
    pool = Pool("curate programs", ("curate.actors",), settings.actors, recipe.programs.num_cpus)
    return Stage(CURATE.name, pool, program=CURATE, in_flight=settings.threads_in_flight)


def problems(work: Work) -> Dataset:
    """Problems not finished: those of tables, those that threads gave before, and those that threads give now."""
    standing = work.standing()
    tables = unread(work, Problem, standing)
    given = read(ReadCurated(work.run, standing.finished), standing.curated)
    threads = unread(work, Thread, standing) if standing.n_threads < work.inputs.threads else None
    if threads is not None:
        threads = through_programs(threads, _curate(work.recipe), work, work.inputs.threads)
    first, *others = [rows for rows in (tables, given, threads) if rows is not None]
    return first.union(*others) if others else first


def find_duplicates(work: Work) -> bool:
    """Compare all problems with each other, once in a run's life; False where threads could not be curated to the end.

    Which one of a group stays must not depend on who comes first, so this is the one place where the graph waits: its
    first part runs to the end, actors embed what came of it, and one task compares.
    """
    if work.run.store.exists(near_duplicates.FOUND):
        return True
    for _ in range(MAX_PASSES):
        if left(work).threads:
            problems(work).count()
    now = left(work)
    if now.problems and not now.threads:
        embed = Stage("embed", embedding(work.recipe.decontaminate), near_duplicates.Embed)
        embedded = through(problems(work), embed, (work.recipe,)).to_arrow_refs()

        def find(blocks: list[Any]) -> None:
            near_duplicates.find(work.run.store, ray.get(blocks), work.recipe)

        ray.get(ray.remote(max_retries=-1)(find).remote(embedded))
    return not now.threads


class Left(NamedTuple):
    """What is still to be done, of all that is known so far."""

    threads: int  # to be curated
    problems: int  # to be solved


def left(work: Work) -> Left:
    """Count what the graph would read."""
    standing = work.standing()
    tables = unread(work, Problem, standing)
    return Left(work.inputs.threads - standing.n_threads, standing.n_curated + (tables.count() if tables else 0))


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
