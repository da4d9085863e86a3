"""What becomes of each problem and each trace of a partition: published, or left out for one reason that is counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from factory.arrow import content
from factory.records import Annotation, CuratedThread, Judgement, Reject, SampleKey, Verdict
from factory.store.counts import RejectReason
from factory.store.ids import owner_key
from factory.store.report import PUBLISHED, PublishReport


@dataclass(frozen=True)
class Ending:
    """How one problem ended: with a verdict, with a reject (kind, stage, reason), or not yet."""

    verdict: Verdict | None = None
    rejected: RejectReason | None = None
    source: str = ""

    @cached_property
    def judgements(self) -> dict[SampleKey, Judgement]:
        if self.verdict is None:
            return {}
        return {judgement.key(self.verdict.problem.id): judgement for judgement in self.verdict.judgements}

    def outcome(self, key: SampleKey, uid: str) -> str:
        """Whether the trace `uid` at `key` is published, or why not."""
        if self.verdict is None:
            return f"problem_{self.rejected.reason}" if self.rejected else "unfinished"
        judgement = self.judgements.get(key)
        if judgement is None:
            return "not_judged"
        if judgement.uid != uid:
            return "replaced"  # drawn twice by two workers; the verdict judged the other one
        if judgement.equal:
            return PUBLISHED
        if judgement.answer is None:
            return "no_answer"
        return "undecided" if judgement.equal is None else "wrong_answer"


UNFINISHED = Ending()
WITHDRAWN = "withdraw"
"""Stage of a reject that takes a solved problem out again: a benchmark that came later holds it."""
Precedence = tuple[str | bool | int, ...]


def precedence(row: Verdict | Reject | CuratedThread | Annotation) -> Precedence:
    """Of several endings of one kind that one owner has, the one with the smallest precedence counts. So it is with
    annotations of one name about one trace.

    It depends on the rows alone, never on who wrote them when. A withdrawal goes before every other reject, and a
    thread's ending with more problems before one with fewer.
    """
    match row:
        case Verdict() | Annotation():
            return (hashlib.sha256(json.dumps(content(row), sort_keys=True).encode()).hexdigest(),)
        case Reject():
            return row.stage != WITHDRAWN, row.kind, row.stage, row.reason, row.detail, row.row
        case CuratedThread():
            return -row.n_found, row.source


@dataclass(slots=True)
class Endings:
    """The endings of a partition's problems and threads, whatever the journal holds twice or in contradiction.

    Two workers may both have finished a problem, and drawn different samples. One ending counts: a verdict before a
    reject unless it withdraws the problem, and among equals the one with the smallest content, so that the choice
    depends on the rows alone. Of a thread that two workers curated differently, every problem counts that one of them
    found.
    """

    _verdicts: dict[str, tuple[Precedence, Verdict]] = field(default_factory=dict)
    _rejects: dict[str, Reject] = field(default_factory=dict)
    _threads: dict[str, tuple[int, str]] = field(default_factory=dict)  # thread -> problems found in it, its source
    _curated: dict[str, str] = field(default_factory=dict)  # problem that a thread passes on -> its source

    def add_verdict(self, verdict: Verdict) -> None:
        candidate = (precedence(verdict), verdict)
        known = self._verdicts.get(verdict.problem.id)
        if known is None or candidate[0] < known[0]:
            self._verdicts[verdict.problem.id] = candidate

    def add_reject(self, reject: Reject) -> None:
        owner = owner_key(reject.id, reject.kind)
        known = self._rejects.get(owner)
        if known is None or precedence(reject) < precedence(known):
            self._rejects[owner] = reject

    def add_thread(self, thread_id: str, source: str, n_found: int) -> None:
        """A thread whose ending names `n_found` problems."""
        owner = owner_key(thread_id, "thread")
        known = self._threads.get(owner)
        if known is None or (-n_found, source) < (-known[0], known[1]):
            self._threads[owner] = (n_found, source)

    def add_curated(self, problem_id: str, source: str) -> None:
        """A problem that a thread passes on."""
        self._curated[problem_id] = max(self._curated.get(problem_id, ""), source)

    def rejects(self) -> list[Reject]:
        """One reject for each problem and thread that left, in the order of their ids."""
        stayed = self._remaining().keys() | self._threads.keys()
        return [self._rejects[owner] for owner in sorted(self._rejects) if owner not in stayed]

    def of(self, problem_id: str) -> Ending:
        if problem_id in self._verdicts and not self._is_withdrawn(problem_id):
            verdict = self._verdicts[problem_id][1]
            return Ending(verdict=verdict, source=verdict.problem.source)
        if problem_id in self._rejects:
            reject = self._rejects[problem_id]
            return Ending(rejected=RejectReason(reject.kind, reject.stage, reject.reason), source=reject.source)
        return UNFINISHED

    def with_verdict(self) -> Iterator[Ending]:
        return (self.of(problem_id) for problem_id in self._remaining())

    def count(self, report: PublishReport) -> None:
        """Problems and threads by outcome, and the pass rates of those with a verdict."""
        for _, verdict in self._remaining().values():
            report.count("problem", verdict.problem.source, "verdict")
            for regime in verdict.regimes:
                report.count("pass_rate", regime.name, f"{regime.passed}/{regime.count}")
        for reject in self.rejects():
            report.count("problem", reject.source, f"{reject.kind}/{reject.stage}/{reject.reason}")
        for n_found, source in self._threads.values():
            report.count("curated", source, "threads")
            report.count("curated", source, "found", n=n_found)
        for problem_id, source in self._curated.items():
            rejected = self.of(problem_id).rejected
            if rejected is None or rejected.stage != "curate":
                report.count("curated", source, "passed")

    def count_references(self, report: PublishReport) -> None:
        """What the vote did to the references of problems with a verdict."""
        for _, verdict in self._remaining().values():
            report.count("reference", verdict.problem.source, verdict.reference_change)

    def _remaining(self) -> dict[str, tuple[Precedence, Verdict]]:
        """The verdicts of problems that are not withdrawn."""
        return {row_id: found for row_id, found in self._verdicts.items() if not self._is_withdrawn(row_id)}

    def _is_withdrawn(self, problem_id: str) -> bool:
        reject = self._rejects.get(problem_id)
        return reject is not None and reject.stage == WITHDRAWN
