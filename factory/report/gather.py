"""Everything that a run's page shows, read from its storage alone: published counts, journal columns, usage, a problem.

A run that goes on has no published version or an older one; then the funnel is made of what the journal holds now.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from factory import ingest
from factory.recipe import Prices
from factory.report import contamination, figures
from factory.report.example import Example, example
from factory.report.funnel import Stage, funnel
from factory.report.status import Status, status_of
from factory.store.manifest import Manifest, latest
from factory.store.reader import JournalReader
from factory.store.report import PublishReport
from factory.store.run import Run
from factory.store.usage import Usage, usages


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """A run at one moment, summed up."""

    run: Run
    at: datetime
    status: Status
    stages: list[Stage]
    manifest: Manifest | None
    traces: figures.TraceFigures
    verdicts: figures.VerdictFigures
    rejects: figures.RejectFigures
    decontamination: dict[str, Any] | None
    usages: list[Usage]
    example: Example | None

    @property
    def finished(self) -> bool:
        return self.status.total is not None and self.status.finished >= self.status.total


def gather(uri: str, prices: Prices | None = None) -> PageData:
    """Read a run. Raises `FactoryError` if there is none at `uri`."""
    run = Run.attach(uri)
    now = datetime.now(UTC)
    journal = run.reader()
    verdicts, rejects = figures.of_verdicts(journal), figures.of_rejects(journal)
    manifest = latest(run.store)
    current = manifest if manifest and manifest.report.problems.get("verdict", 0) == verdicts.problems else None
    return PageData(
        run=run,
        at=now,
        status=status_of(run, journal, now, prices),
        stages=stages(run, journal, current, verdicts, rejects),
        manifest=current,
        traces=figures.of_traces(journal),
        verdicts=verdicts,
        rejects=rejects,
        decontamination=contamination.of_run(run, journal),
        usages=usages(run.store),
        example=example(journal),
    )


def stages(
    run: Run,
    journal: JournalReader,
    manifest: Manifest | None,
    verdicts: figures.VerdictFigures,
    rejects: figures.RejectFigures,
) -> list[Stage]:
    """The funnel as published, or as far as the journal has come; empty while the sources are still being read."""
    inputs = ingest.load(run.store)
    if inputs is None:
        return []
    read = Stage(name="read", unit="rows", rows_in=inputs.rows, rows_out=inputs.kept, rejects=inputs.rejects)
    if manifest is not None:
        return funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards), inputs.threads)
    cells = Counter[tuple[str, ...]]({("problem", "", "verdict"): verdicts.problems})
    cells.update({("problem", "", str(reason)): n for reason, n in rejects.reasons.items()})
    if inputs.threads:
        cells.update({("curated", "", what): n for what, n in figures.of_threads(journal).items()})
    return [stage for stage in funnel(read, PublishReport(cells), 0, inputs.threads) if stage.unit != "traces"]
