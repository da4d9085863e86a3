"""What a kind of run is: its recipe, its inputs, its stages in order, what it publishes, and what its page shows.

A new kind is one file that declares these once, and a line in `factory/runs/__init__.py`. How a run is started,
resumed, fitted to its cluster, monitored and published is the same for all (`factory/pipeline.py`). A kind is declared
without Ray, so that commands can read a run without a cluster; the methods that build its graph import Ray.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from factory import ingest
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
from factory.stages.stage import Stage
from factory.store.fs import Store
from factory.store.manifest import Manifest
from factory.store.publish import Mapper, publish
from factory.store.run import Run
from factory.store.view import View
from factory.views.nemotron import NemotronMath

if TYPE_CHECKING:
    from factory.graph import Rows, Work

Recipe = TypeVar("Recipe", bound=RunRecipe)


class Published(NamedTuple):
    """What a run ends with, each time it is started."""

    stages: list[FunnelStage]
    """Where every row went."""
    manifest: Manifest | None
    """Of the dataset; None for a kind without one."""
    line: str
    """For the terminal: what there is now, and where."""


class RunKind(ABC, Generic[Recipe]):
    """One kind of run. The defaults fit a run whose input rows each pass through all stages once."""

    recipe: ClassVar[type[RunRecipe]]
    """The recipe's class; its key `kind` names the kind."""
    reads: ClassVar[type] = Problem
    """The row class of the run's inputs."""
    view: ClassVar[View] = NemotronMath()
    """What the rows of its dataset look like."""

    @abstractmethod
    def check(self, recipe: Recipe, store: Store) -> None:
        """Raise `FactoryError` for what is wrong before any machine is started. `store` is the run's, new or old."""

    @abstractmethod
    def read_inputs(self, run: Run, recipe: Recipe, mapper: Mapper) -> ingest.Inputs:
        """Write the inputs into the run. Called until it has succeeded once; later starts read what it wrote."""

    @abstractmethod
    def stages(self, recipe: Recipe) -> Sequence[Stage]:
        """The stages that this recipe asks for, in the order of the graph."""

    def card(self, run: Run, manifest: Manifest, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        """The files next to the dataset, by name; README.md is its card."""
        return {}

    def resolve(self, recipe: Recipe, store: Store) -> Recipe:
        """The recipe with everything that results depend on, before its fingerprint is taken."""
        return recipe

    def prepare(self, run: Run, recipe: Recipe) -> Any:
        """Build what the stages share, before the graph; only called if rows remain."""
        return None

    def graph(self, work: Work) -> Rows:
        """The lazy graph, from rows without an ending to a summary of each one's outcome."""
        from factory.graph import remaining_inputs

        rows = remaining_inputs(work, self.reads, work.snapshot())
        assert rows is not None, "a graph is only made if rows remain"
        for stage in self.stages(work.recipe):
            rows = self.apply(rows, stage, work)
        return rows

    def apply(self, rows: Rows, stage: Stage, work: Work) -> Rows:
        """Rows through one stage, and what comes out of it."""
        from factory.graph import run_program_stage, run_stage

        if stage.program is not None:
            return run_program_stage(rows, stage, work, rows_expected=work.inputs.problems + work.inputs.threads)
        return run_stage(rows, stage, self.arguments(stage, work))

    def arguments(self, stage: Stage, work: Work) -> tuple[Any, ...]:
        """Constructor arguments of the worker of a stage without a program."""
        return work.run, work.recipe

    def remaining(self, work: Work) -> int:
        """The number of known rows that have no ending yet."""
        from factory.graph import remaining_inputs

        rows = remaining_inputs(work, self.reads, work.snapshot())
        return int(rows.count()) if rows is not None else 0

    def finish(self, work: Work, idle: IdleTime) -> int:
        """Bring every row to its ending. Returns how many rows remain, which is 0 unless an engine stays away."""
        from factory.graph import run_passes

        return run_passes(work, self.graph, self.remaining, idle)

    def conclude(self, run: Run, recipe: Recipe, inputs: ingest.Inputs, mapper: Mapper) -> None:
        """Do what is left between the last row and publishing. Idempotent: each start calls it."""
        return

    def publish(self, run: Run, recipe: Recipe, inputs: ingest.Inputs, mapper: Mapper) -> Published:
        """Publish what the journal holds now. Idempotent: each start calls it, last of all."""

        def card(manifest: Manifest) -> dict[str, bytes]:
            return self.card(run, manifest, self.funnel(inputs, manifest))

        manifest = publish(run, recipe.publish, self.view, mapper=mapper, card=card)
        traces = sum(shard.rows for shard in manifest.shards)
        line = f"dataset: {run.uri}/dataset ({traces:,} traces; README.md there is its card)"
        return Published(self.funnel(inputs, manifest), manifest, line)

    def funnel(self, inputs: ingest.Inputs, manifest: Manifest) -> list[FunnelStage]:
        """Where every row went, from the inputs to the published files."""
        read = FunnelStage(name="read", unit="rows", rows_in=inputs.rows, rows_out=inputs.kept, rejects=inputs.rejects)
        return funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards), inputs.threads)

    def sections(self, found: PageData, cost: Cost | None) -> Iterable[Section]:
        """The sections of the run's page, in order."""
        return dataset_sections(found, cost)


def with_known_version(source: Source, known: Mapping[str, Any] | None) -> Source:
    """A source of kind `run` with its version and digest: those that this run was started with, else the newest.

    A run thus continues with what it was made from, even if its source has published again since, or is gone.
    """
    if source.kind == "run" and known and known.get("path") == source.path:
        version, digest = known.get("version"), known.get("digest")
        if digest and source.version in (None, version) and source.digest in (None, digest):
            return source.model_copy(update={"version": version, "digest": digest})
    return pinned(source)
