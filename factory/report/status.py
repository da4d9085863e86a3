"""`factory status URI`: how far a run is, how fast it goes and when it will end, from storage alone.

Rates come from the journal's parts: what each one holds stands in its footer, and when it was written the store knows.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from factory import ingest
from factory.engines import departures
from factory.planning.cost import Cost
from factory.planning.cost import cost as priced
from factory.recipe import Prices
from factory.records import CuratedThread, Reject, Trace, Verdict
from factory.report.figures import right_samples
from factory.store.counts import CuratedCount, RejectReason, SampleCount, sums
from factory.store.ids import is_thread
from factory.store.manifest import latest
from factory.store.parts import PartInfo
from factory.store.reader import JournalReader
from factory.store.run import Run
from factory.store.usage import usages

WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A run at one moment. Problems and threads are counted once; samples and tokens as the journal holds them."""

    uri: str
    name: str
    fingerprint: str
    total: int | None  # threads, and problems of tables and of the threads curated so far; None while sources are read
    threads: int | None  # of the total
    threads_finished: int
    curated: int  # of these, the threads that state problems
    verdicts: int
    rejects: dict[str, int]  # stage/reason -> problems and threads
    samples: dict[str, int]  # mode/tool -> finished samples
    generated_tokens: int
    regenerated_tokens: int
    parts: int
    last_written: datetime | None
    rows_per_hour: float  # finished problems and threads, over the last `WINDOW`
    tokens_per_second: float
    published: dict[str, int] = field(default_factory=dict)  # version, files, rows, bytes
    right: int | None = None  # judged samples that reach their reference: traces that are or would be published
    engines_left: dict[str, int] = field(default_factory=dict)  # replicas that left by themselves, by cause
    last_left: departures.Departure | None = None
    cost: Cost | None = None  # None if no start of the job has put its machine time on record

    @property
    def finished(self) -> int:
        return self.curated + self.verdicts + sum(self.rejects.values())

    @property
    def hours_left(self) -> float | None:
        """None if nothing moves, or if it is not known how much there is."""
        if self.total is None or not self.rows_per_hour:
            return None
        return max(0, self.total - self.finished) / self.rows_per_hour

    @property
    def cost_per_kept_trace(self) -> float | None:
        """All that was paid over the traces kept so far: high at first, as a problem ends after its last sample."""
        return self.cost.total / self.right if self.cost and self.right else None

    @property
    def cost_to_come(self) -> float | None:
        """The time left at the rate of money so far: an estimate made of two averages."""
        if self.cost is None or self.hours_left is None or not self.cost.hours:
            return None
        return self.hours_left * self.cost.total / self.cost.hours

    def to_json(self) -> dict[str, Any]:
        values = asdict(self) | {"finished": self.finished, "hours_left": self.hours_left}
        values |= {"cost": self.cost.to_json() if self.cost else None, "cost_per_kept_trace": self.cost_per_kept_trace}
        return values | {"last_written": self.last_written.isoformat() if self.last_written else None}


def status(uri: str, now: datetime | None = None, *, prices: Prices | None = None) -> Status:
    """Read a run's state. `prices` go before those of its recipe. Raises `FactoryError` if there is no run."""
    run = Run.attach(uri)
    return status_of(run, run.reader(), now or datetime.now(UTC), prices)


def status_of(run: Run, journal: JournalReader, now: datetime, prices: Prices | None = None) -> Status:
    """The same through a reader that others use as well."""
    parts = {kind: journal.parts(kind) for kind in (Trace, Verdict, Reject, CuratedThread)}
    recent = {kind: [info for info in infos if info.entry.modified > now - WINDOW] for kind, infos in parts.items()}
    inputs = ingest.load(run.store)
    judged = _owners(parts[Verdict]) - journal.withdrawn
    curated = set(filter(is_thread, _owners(parts[CuratedThread])))
    rejected = _owners(parts[Reject]) - judged - curated
    samples, in_all = _samples(parts[Trace]), sum(_samples(parts[Trace]).values(), SampleCount())
    cost = priced(usages(run.store), prices)
    seconds = _span(recent.values(), now)
    ended = len(_owners(recent[Verdict])) + len(_owners(recent[Reject])) + _curated(recent[CuratedThread]).rows
    written = [info.entry.modified for infos in parts.values() for info in infos]
    return Status(
        uri=run.uri,
        name=str(run.recipe.get("name", "")),
        fingerprint=run.fingerprint,
        total=inputs.problems + inputs.threads + _curated(parts[CuratedThread]).found if inputs else None,
        threads=inputs.threads if inputs else None,
        threads_finished=len(curated) + sum(map(is_thread, rejected)),
        curated=len(curated),
        verdicts=len(judged),
        rejects=_reasons(journal.count_rejects()),
        samples={heading: count.rows for heading, count in sorted(samples.items())},
        generated_tokens=in_all.generated_tokens,
        regenerated_tokens=in_all.regenerated_tokens,
        parts=len(written),
        last_written=max(written, default=None),
        rows_per_hour=ended / seconds * 3600,
        tokens_per_second=sum(count.generated_tokens for count in _samples(recent[Trace]).values()) / seconds,
        published=_published(run),
        right=right_samples(journal) if cost else None,
        engines_left=dict(departures.causes(run.store)),
        last_left=departures.last(run.store),
        cost=cost,
    )


def render(status: Status, now: datetime | None = None) -> str:
    """A status for a terminal."""
    total = "?" if status.total is None else f"{status.total:,}"
    share = f" ({status.finished / status.total:.1%})" if status.total else ""
    lines = [
        f"run        {status.name} {status.fingerprint} at {status.uri}",
        f"finished   {status.finished:,} of {total} rows{share}: {status.verdicts:,} verdicts, "
        f"{sum(status.rejects.values()):,} rejects{_threads(status)}",
        *(f"           {n:>10,}  {reason}" for reason, n in sorted(status.rejects.items(), key=lambda i: -i[1])),
        f"samples    {sum(status.samples.values()):,} journaled, {status.generated_tokens:,} tokens generated, "
        f"{status.regenerated_tokens:,} of them twice",
        *(f"           {n:>10,}  {heading}" for heading, n in status.samples.items()),
        f"now        {status.rows_per_hour:,.0f} rows/h, {status.tokens_per_second:,.0f} tokens/s, {_left(status)}",
        f"journal    {status.parts:,} parts, {_ago(status.last_written, now or datetime.now(UTC))}",
        "published  " + (", ".join(f"{name} {n:,}" for name, n in status.published.items()) or "nothing yet"),
        *_left_engines(status),
        *_spent(status),
    ]
    return "\n".join(lines)


def _threads(status: Status) -> str:
    """How far curation is, in a run that has threads."""
    if not status.threads:
        return ""
    return f"; {status.threads_finished:,} of {status.threads:,} threads, {status.curated:,} of them with problems"


def _left_engines(status: Status) -> list[str]:
    """Replicas that left by themselves, and why the last one did."""
    if status.last_left is None:
        return []
    left = status.last_left
    causes = ", ".join(f"{n:,} {cause}" for cause, n in sorted(status.engines_left.items()))
    return [
        f"engines    {sum(status.engines_left.values()):,} replicas left by themselves: {causes}",
        f"           the last, {left.replica} on {left.node} at {left.at}: {left.detail}",
    ]


def _spent(status: Status) -> list[str]:
    """What it cost so far, and what that rests on."""
    if status.cost is None:
        return ["cost       unknown: no start of the job has put its machine time on record"]
    cost = status.cost
    starts = f"{cost.starts} starts" if cost.starts > 1 else "1 start"
    line = (
        f"cost       {_amount(cost.total)} so far: {cost.gpu_hours:,.2f} GPU-h, {cost.cpu_hours:,.2f} CPU-h in {starts}"
    )
    if status.cost_per_kept_trace is not None:
        line += f"; {_amount(status.cost_per_kept_trace)} per kept trace"
    if status.cost_to_come:
        line += f"; about {_amount(status.cost_to_come)} to come"
    return [line, f"           rests on {'; '.join(cost.rests_on)}"]


def _amount(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.3g}"


def _owners(infos: Iterable[PartInfo]) -> set[str]:
    return {owner for info in infos for group in info.groups for owner in group}


def _samples(infos: Iterable[PartInfo]) -> dict[str, SampleCount]:
    """Samples by mode/tool."""
    return typing.cast(dict[str, SampleCount], sums(info.tally for info in infos))


def _curated(infos: Iterable[PartInfo]) -> CuratedCount:
    """Curated threads and their problems."""
    return typing.cast(CuratedCount, sums(info.tally for info in infos).get("", CuratedCount()))


def _reasons(rejects: Mapping[RejectReason, int]) -> dict[str, int]:
    """Rejects by stage/reason, problems and threads together."""
    found = Counter[str]()
    for why, n in rejects.items():
        found[f"{why.stage}/{why.reason}"] += n
    return dict(found)


def _span(recent: Iterable[list[PartInfo]], now: datetime) -> float:
    """Seconds that a rate is taken over: the window, or less where the run is younger."""
    first = min((info.entry.modified for infos in recent for info in infos), default=now)
    return min(max((now - first).total_seconds(), 1.0), WINDOW.total_seconds())


def _published(run: Run) -> dict[str, int]:
    manifest = latest(run.store)
    if manifest is None:
        return {}
    rows, size = (sum(getattr(shard, name) for shard in manifest.shards) for name in ("rows", "bytes"))
    return {"version": manifest.version, "files": len(manifest.shards), "rows": rows, "bytes": size}


def _left(status: Status) -> str:
    if status.total is not None and status.finished >= status.total:
        return "all rows finished"
    return "time left unknown" if status.hours_left is None else f"about {status.hours_left:.1f} h left"


def _ago(moment: datetime | None, now: datetime) -> str:
    return "none written" if moment is None else f"the last written {(now - moment).total_seconds():,.0f} s ago"
