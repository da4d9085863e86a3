"""Build: read -> curate -> near-duplicates -> decontaminate -> solve -> publish. Problems in, traces out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from factory import ingest
from factory.decontaminate import benchmarks
from factory.errors import FactoryError
from factory.programs.curate import CURATE
from factory.programs.solve import SOLVE
from factory.recipe import Recipe
from factory.report import contamination
from factory.report.card import card
from factory.report.funnel import Stage as FunnelStage
from factory.report.idle import IdleTime
from factory.runs.kind import RunKind, with_known_version
from factory.stages import near_duplicates
from factory.stages.decontaminate import DecontaminateWorker
from factory.stages.stage import Pool, Stage, embedding_pool, program_stage
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import Mapper
from factory.store.run import RUN_FILE, Run

if TYPE_CHECKING:
    from factory.graph import Rows, Work


class Build(RunKind[Recipe]):
    """The kind of run that makes a dataset of reasoning traces."""

    recipe = Recipe

    def check(self, recipe: Recipe, store: Store) -> None:
        for source in recipe.sources:
            if source.kind == "run" and source.what == "traces":
                raise FactoryError(
                    f"a build draws samples, it reads none: {source.path}", remedy="set `what` to problems or rejects"
                )
        if ingest.load(store) is None:
            ingest.group_splits(recipe.sources)
        if not store.exists("benchmarks/meta.json"):  # else the run goes on with the index that it has
            benchmarks.read(benchmarks.chosen(recipe.decontaminate))

    def resolve(self, recipe: Recipe, store: Store) -> Recipe:
        """The recipe with the versions of the runs that it reads."""
        if not any(source.kind == "run" for source in recipe.sources):
            return recipe
        known = Run.attach(store.uri).recipe["sources"] if store.exists(RUN_FILE) else []
        sources = [with_known_version(source, old) for source, old in zip_longest(recipe.sources, known) if source]
        return recipe.model_copy(update={"sources": sources})

    def read_inputs(self, run: Run, recipe: Recipe, mapper: Mapper) -> ingest.Inputs:
        groups = ingest.group_splits(recipe.sources)
        tasks = [(run.store, number, splits) for number, splits in enumerate(groups)]
        parts = mapper(lambda task: ingest.read_group(*task), tasks)
        return ingest.finish(run.store, [part for group in parts for part in group])

    def stages(self, recipe: Recipe) -> list[Stage]:
        compared = recipe.decontaminate
        return [
            *([curate_stage(recipe)] if recipe.curates else []),
            *([near_duplicates.stage()] if recipe.near_duplicates.enabled else []),
            *([Stage("decontaminate", embedding_pool(compared), DecontaminateWorker)] if compared.compares else []),
            program_stage(SOLVE, recipe),
        ]

    def prepare(self, run: Run, recipe: Recipe) -> Any:
        from factory.runs.build_graph import benchmark_index

        return benchmark_index(run, recipe)

    def graph(self, work: Work) -> Rows:
        from factory.runs.build_graph import problems

        rows = problems(work)
        for stage in self.stages(work.recipe):
            if stage.program is not CURATE:  # `problems` begins with that one
                rows = self.apply(rows, stage, work)
        return rows

    def arguments(self, stage: Stage, work: Work) -> tuple[Any, ...]:
        if stage.worker is DecontaminateWorker:
            from factory.runs.build_graph import load_index

            return work.run, work.recipe, load_index(work), work.connect
        return work.run, work.recipe

    def remaining(self, work: Work) -> int:
        from factory.runs.build_graph import remaining

        return sum(remaining(work))

    def finish(self, work: Work, idle: IdleTime) -> int:
        from factory.runs.build_graph import find_duplicates

        if work.recipe.near_duplicates.enabled and not find_duplicates(work):
            return self.remaining(work)
        return super().finish(work, idle)

    def card(self, run: Run, manifest: Manifest, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        return card(manifest, run.recipe, stages, contamination.of_run(run))


def curate_stage(recipe: Recipe) -> Stage:
    """The stage that turns threads into problems."""
    settings = recipe.curate
    pool = Pool("curate programs", ("curate.actors",), settings.actors, recipe.programs.num_cpus)
    return Stage(CURATE.name, pool, program=CURATE, in_flight=settings.threads_in_flight)
