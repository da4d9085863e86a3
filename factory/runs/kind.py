"""What a kind of run is: its recipe, its inputs, its stages in order, what it publishes, and what its page shows.

A new kind is one file that says these things once, and a line in `factory/runs/__init__.py`. How a run is started,
resumed, fitted to its cluster, watched and published is the same for all (`factory/pipeline.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from ray.data import Dataset

from factory import ingest
from factory.graph import Work, passes, through, through_programs, unread
from factory.planning.cost import Cost
from factory.recipe import RunRecipe, Source
from factory.records import Problem
from factory.report.funnel import Stage as FunnelStage
from factory.report.funnel import funnel
from factory.report.gather import PageData
from factory.report.html import Section
from factory.report.idle import IdleTime
from factory.report.page import dataset_sections
from factory.sources import pinned
from factory.stages.declared import Stage
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import Mapper
from factory.store.run import Run
from factory.store.view import View
from factory.views.nemotron import NemotronMath

Recipe = TypeVar("Recipe", bound=RunRecipe)


class Kind(ABC, Generic[Recipe]):
    """One kind of run. What is not overridden is right for a run whose input rows each pass all stages once."""

    recipe: ClassVar[type[RunRecipe]]
    """Its key `kind` names the kind."""
    reads: ClassVar[type] = Problem
    """The kind of row that the run's inputs are made of."""
    view: ClassVar[View] = NemotronMath()
    """What its dataset's rows look like."""

    @abstractmethod
    def check(self, recipe: Recipe, store: Store) -> None:
        """Find what is wrong before any machine is started. `store` is where the run is, or will be."""

    @abstractmethod
    def take_in(self, run: Run, recipe: Recipe, mapper: Mapper) -> ingest.Inputs:
        """Put the inputs into the run, once in its life; each later start gets the same ones."""

    @abstractmethod
    def stages(self, recipe: Recipe) -> Sequence[Stage]:
        """The stages in the order of the graph, as this recipe asks for them."""

    @abstractmethod
    def card(self, run: Run, manifest: Manifest, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        """The files beside the dataset, by name; README.md is its card."""

    def complete(self, recipe: Recipe, store: Store) -> Recipe:
        """The recipe with everything that results depend on, before its fingerprint is taken."""
        return recipe

    def prepare(self, run: Run, recipe: Recipe) -> Any:
        """What the stages share and a start needs before its graph; only called where work is left."""
        return None

    def graph(self, work: Work) -> Dataset:
        """The lazy graph, from rows that have not ended to summaries of how each of them did."""
        rows = unread(work, self.reads, work.standing())
        assert rows is not None, "a graph is only made where rows are left"
        for stage in self.stages(work.recipe):
            rows = self.through(rows, stage, work)
        return rows

    def through(self, rows: Dataset, stage: Stage, work: Work) -> Dataset:
        """Rows through one stage, and what comes out of it."""
        if stage.program is not None:
            return through_programs(rows, stage, work, rows_expected=work.inputs.problems + work.inputs.threads)
        return through(rows, stage, self.arguments(stage, work))

    def arguments(self, stage: Stage, work: Work) -> tuple[Any, ...]:
        """What the worker of a stage without a program is made of."""
        return work.run, work.recipe

    def left(self, work: Work) -> int:
        """How many rows have not ended, of all that are known so far."""
        rows = unread(work, self.reads, work.standing())
        return int(rows.count()) if rows is not None else 0

    def finish(self, work: Work, idle: IdleTime) -> int:
        """Bring every row to its end; how many rows are left, where an engine stays away."""
        return passes(work, self.graph, self.left, idle)

    def conclude(self, run: Run, recipe: Recipe, inputs: ingest.Inputs, mapper: Mapper) -> None:
        """What is to be done between the last row and publishing. Called by each start; must not mind."""
        return

    def funnel(self, inputs: ingest.Inputs, manifest: Manifest) -> list[FunnelStage]:
        """Where every row went, from the inputs to the published files."""
        read = FunnelStage(name="read", unit="rows", rows_in=inputs.rows, rows_out=inputs.kept, rejects=inputs.rejects)
        return funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards), inputs.threads)

    def sections(self, found: PageData, cost: Cost | None) -> Iterable[Section]:
        """The sections of the run's page, in order."""
        return dataset_sections(found, cost)


def as_before(source: Source, known: Mapping[str, Any] | None) -> Source:
    """A source of kind `run` with its version and digest: those that this run was started with, else the newest.

    So a run goes on with what it was made from, also where its source has published again since, or is gone.
    """
    if source.kind == "run" and known and known.get("path") == source.path:
        version, digest = known.get("version"), known.get("digest")
        if digest and source.version in (None, version) and source.digest in (None, digest):
            return source.model_copy(update={"version": version, "digest": digest})
    return pinned(source)
