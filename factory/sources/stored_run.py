"""A source of kind `run`: problems, samples or rejects of another run, as one of its published versions counts them.

Which of several endings counts is decided by the code that publishes. A split is a partition of the run's journal: one
range of problem hashes, read in bounded memory by whoever takes it, from the parts that the driver found for it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from factory.arrow import from_table
from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import CuratedThread, Problem, Reject, SampleKey, StoredSample, Thread, Trace, Verdict, tool_name
from factory.sources.rows import STAGE
from factory.sources.split import Split
from factory.store.fs import Store
from factory.store.outcome import Ending
from factory.store.partition_reader import PartitionReader
from factory.store.pinned import check_unchanged, version_of
from factory.store.plan import Partition, cut
from factory.store.run import Run

PARTITION_BYTES = 128 << 20
"""Of journaled rows before compression, in one split; reading it takes about twice this at worst."""
_ENDINGS = (Verdict, Reject, CuratedThread)
_KINDS = {"problems": _ENDINGS, "traces": (*_ENDINGS, Trace), "rejects": _ENDINGS}
_CONDITIONS = {
    "problems": {"source", "min_difficulty", "max_difficulty"},
    "traces": {"source", "min_difficulty", "max_difficulty", "mode", "tool", "task", "teacher", "outcome"},
    "rejects": {"source", "kind", "stage", "reason"},
}
_POSITION = re.compile(r"(?P<uri>.+)#v(?P<version>\d+):(?P<id>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSplit(Split):
    """One partition of a run's journal. Pickles; names row groups, holds no rows."""

    partition: Partition


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """Where a row that was read from a run is to be found there."""

    uri: str
    version: int
    id: str

    def __str__(self) -> str:
        return f"{self.uri}#v{self.version}:{self.id}"

    @staticmethod
    def of(position: str) -> RunOrigin | None:
        """What a row's `position` says; None if it was not read from a run."""
        match = _POSITION.fullmatch(position)
        return RunOrigin(match["uri"], int(match["version"]), match["id"]) if match else None


def pinned(source: Source) -> Source:
    """A source of kind `run` with its version and the digest of that version's manifest; any other one as it is.

    Both are part of the fingerprint, so a run says what it was made from. Raises `FactoryError` if there is no such
    version, or where its manifest is not the one whose digest is given.
    """
    if source.kind != "run":
        return source
    manifest, digest = version_of(source.path, source.version)
    if source.digest not in (None, digest):
        raise FactoryError(
            f"version {manifest.version} of {source.path} is not the one that was read before",
            why=f"its manifest has the digest {digest}, not {source.digest}",
            remedy="put the run back that was there, or give the derived run another --out",
        )
    return source.model_copy(update={"version": manifest.version, "digest": digest})


def splits(source: Source) -> list[Split]:
    """The partitions of the run's journal. Raises `FactoryError` if the run has gone on since it was published."""
    unknown = source.where.keys() - _CONDITIONS[source.what]
    if unknown:
        raise FactoryError(
            f"{', '.join(sorted(unknown))}: no condition on {source.what} of a run",
            remedy=f"where may name {', '.join(sorted(_CONDITIONS[source.what]))}",
        )
    for bound in {"min_difficulty", "max_difficulty"} & source.where.keys():
        if not isinstance(source.where[bound], int | float):
            raise FactoryError(f"where: {bound} is {source.where[bound]!r}", remedy="give a number between 0 and 1")
    manifest, digest = version_of(source.path, source.version)
    run = Run.attach(source.path)
    journal = run.reader()
    check_unchanged(source.path, journal, manifest)
    named = source.model_copy(update={"version": manifest.version, "digest": digest})
    partitions = cut({kind: journal.parts(kind) for kind in _KINDS[source.what]}, PARTITION_BYTES)
    return [RunSplit(source=named, index=n, files=(), partition=partition) for n, partition in enumerate(partitions)]


def read(split: Split) -> Iterator[Problem | Thread | Reject | StoredSample]:
    """The rows of one partition that meet the source's conditions, problems in the order of their ids.

    A problem has the settled reference as its answer. Of rejects come the problems and threads themselves, to be tried
    again; one that was not kept whole stays a reject.
    """
    assert isinstance(split, RunSplit)
    journal = PartitionReader(Store.open(split.source.path), split.partition)
    endings = journal.endings()
    wanted = _Conditions(split.source.where)
    if split.source.what == "problems":
        ended = sorted((_problem(split.source, ending) for ending in endings.with_verdict()), key=lambda row: row[0].id)
        yield from (problem for problem, difficulty in ended if wanted.problem(problem, difficulty))
    elif split.source.what == "rejects":
        for reject in endings.rejects():
            if wanted.all({name: getattr(reject, name) for name in ("source", "kind", "stage", "reason")}):
                yield _again(split.source, reject)
    else:
        seen: set[tuple[SampleKey, str]] = set()
        for table in journal.traces():
            for trace in from_table(Trace, table):
                if (trace.key, trace.uid) not in seen:
                    seen.add((trace.key, trace.uid))
                    yield from _sample(split.source, trace, endings.of(trace.problem_id), wanted)


@dataclass(frozen=True, slots=True)
class _Conditions:
    """The source's `where`: a column and the value, or one of the values, that it must have; bounds of difficulty."""

    where: Mapping[str, Any]

    def all(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has the wanted value in each column that it has."""
        return all(row[name] in _values(self.where[name]) for name in row.keys() & self.where.keys())

    def problem(self, problem: Problem, difficulty: float) -> bool:
        """`difficulty` is the low-mode pass rate, 0 (hard) to 1 (easy)."""
        low, high = self.where.get("min_difficulty", 0.0), self.where.get("max_difficulty", 1.0)
        return low <= difficulty <= high and self.all({"source": problem.source})


def _values(wanted: Any) -> tuple[Any, ...]:
    return tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)


def _problem(source: Source, ending: Ending) -> tuple[Problem, float]:
    """The problem of a verdict as the run settled it, and its difficulty."""
    verdict = ending.verdict
    assert verdict is not None
    position = _position(source, verdict.problem.id)
    return dataclasses.replace(verdict.problem, answer=verdict.reference, position=position), verdict.difficulty


def _again(source: Source, reject: Reject) -> Problem | Thread | Reject:
    """The rejected row itself."""
    row, position = reject.whole, _position(source, reject.id)
    if row is not None:
        return dataclasses.replace(row, position=position)
    detail = f"rejected at {reject.stage}, {reject.reason}; the run kept no more of it than its id"
    return dataclasses.replace(reject, stage=STAGE, reason="row_not_kept", detail=detail, position=position)


def _sample(source: Source, trace: Trace, ending: Ending, wanted: _Conditions) -> Iterator[StoredSample]:
    """A sample whose problem has a verdict."""
    if ending.verdict is None:
        return
    problem, difficulty = _problem(source, ending)
    judgement = ending.judgements.get(trace.key)
    outcome = ending.outcome(trace.key, trace.uid)
    about = {
        "mode": trace.mode.value,
        "tool": tool_name(trace.tool),
        "task": trace.task,
        "teacher": trace.teacher,
        "outcome": outcome,
    }
    if wanted.problem(problem, difficulty) and wanted.all(about):
        yield StoredSample(
            id=trace.uid,
            source=problem.source,
            problem=problem,
            trace=trace,
            judgement=judgement if judgement is not None and judgement.uid == trace.uid else None,
            outcome=outcome,
            position=_position(source, trace.problem_id),
        )


def _position(source: Source, row_id: str) -> str:
    return str(RunOrigin(source.path, source.version or 0, row_id))
