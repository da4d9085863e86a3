"""`factory status URI`: how far a run is, how fast it goes and when it will end, from storage alone.

Rates come from the journal's parts: what each one holds stands in its footer, and when it was written the store knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from factory import ingest
from factory.records import Reject, Trace, Verdict
from factory.store.manifest import latest
from factory.store.parts import PartInfo, scan
from factory.store.run import Run

WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A run at one moment. Problems and threads are counted once; samples and tokens as the journal holds them."""

    uri: str
    name: str
    fingerprint: str
    total: int | None  # problems and threads that entered; None while the sources are still being read
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

    @property
    def finished(self) -> int:
        return self.verdicts + sum(self.rejects.values())

    @property
    def hours_left(self) -> float | None:
        """None where nothing moves, or where it is not known how much there is."""
        if self.total is None or not self.rows_per_hour:
            return None
        return max(0, self.total - self.finished) / self.rows_per_hour

    def to_json(self) -> dict[str, Any]:
        values = asdict(self) | {"finished": self.finished, "hours_left": self.hours_left}
        return values | {"last_written": self.last_written.isoformat() if self.last_written else None}


def status(uri: str, now: datetime | None = None) -> Status:
    """Read a run's state. Raises `FactoryError` where there is no run at `uri`."""
    run = Run.attach(uri)
    now = now or datetime.now(UTC)
    traces, verdicts, rejects = (scan(run.store, kind, run.fingerprint) for kind in (Trace, Verdict, Reject))
    inputs = ingest.finished(run.store)
    judged = {owner for info in verdicts for group in info.groups for owner in group}
    rejected = {owner for info in rejects for group in info.groups for owner in group} - judged
    sums = _sums(traces)
    window = [[info for info in infos if info.entry.modified > now - WINDOW] for infos in (traces, verdicts, rejects)]
    seconds = _span(window, now)
    ended = sum(len(set(group)) for infos in window[1:] for info in infos for group in info.groups)
    every = [info.entry.modified for infos in (traces, verdicts, rejects) for info in infos]
    return Status(
        uri=run.uri,
        name=str(run.recipe.get("name", "")),
        fingerprint=run.fingerprint,
        total=inputs.problems + inputs.threads if inputs else None,
        verdicts=len(judged),
        rejects=_reasons(rejects, len(rejected)),
        samples={heading: numbers[0] for heading, numbers in sorted(sums.items())},
        generated_tokens=sum(numbers[1] for numbers in sums.values()),
        regenerated_tokens=sum(numbers[3] for numbers in sums.values()),
        parts=len(every),
        last_written=max(every, default=None),
        rows_per_hour=ended / seconds * 3600,
        tokens_per_second=sum(numbers[1] for numbers in _sums(window[0]).values()) / seconds,
        published=_published(run),
    )


def render(status: Status, now: datetime | None = None) -> str:
    """A status for a terminal."""
    total = "?" if status.total is None else f"{status.total:,}"
    share = f" ({status.finished / status.total:.1%})" if status.total else ""
    lines = [
        f"run        {status.name} {status.fingerprint} at {status.uri}",
        f"finished   {status.finished:,} of {total} rows{share}: {status.verdicts:,} verdicts, "
        f"{sum(status.rejects.values()):,} rejects",
        *(f"           {n:>10,}  {reason}" for reason, n in sorted(status.rejects.items(), key=lambda i: -i[1])),
        f"samples    {sum(status.samples.values()):,} journaled, {status.generated_tokens:,} tokens generated, "
        f"{status.regenerated_tokens:,} of them twice",
        *(f"           {n:>10,}  {heading}" for heading, n in status.samples.items()),
        f"now        {status.rows_per_hour:,.0f} rows/h, {status.tokens_per_second:,.0f} tokens/s, {_left(status)}",
        f"journal    {status.parts:,} parts, {_ago(status.last_written, now or datetime.now(UTC))}",
        "published  " + (", ".join(f"{name} {n:,}" for name, n in status.published.items()) or "nothing yet"),
    ]
    return "\n".join(lines)


def _sums(infos: Iterable[PartInfo]) -> dict[str, list[int]]:
    """Rows, generated, tool and regenerated tokens by mode/tool."""
    sums: dict[str, list[int]] = {}
    for info in infos:
        for heading, numbers in info.tally.items():
            so_far = sums.setdefault(heading, [0] * len(numbers))
            sums[heading] = [a + b for a, b in zip(so_far, numbers, strict=True)]
    return sums


def _reasons(infos: list[PartInfo], distinct: int) -> dict[str, int]:
    """Rejects by stage/reason. Where the journal holds some twice, what is too many is taken from the largest."""
    counts: Counter[str] = Counter()
    for info in infos:
        for heading, (n,) in info.tally.items():
            counts[heading.split("/", 1)[1]] += n
    for reason, n in counts.most_common(1):
        counts[reason] = n - (counts.total() - distinct)
    return dict(counts)


def _span(window: list[list[PartInfo]], now: datetime) -> float:
    """Seconds that a rate is taken over: the window, or less where the run is younger."""
    first = min((info.entry.modified for infos in window for info in infos), default=now)
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
