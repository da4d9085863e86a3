"""What must be true of a run however often its parts were killed, found out from storage alone.

Against the inputs: every row that was read, and every problem that was found in a thread, has a verdict or a reject,
and none has a reject that a kill caused. Of the dataset: no key twice, no file that the manifest does not name, and
`factory audit` finds nothing, with every row's tokens read again and every answer compared again.

Against an undisturbed run of the same recipe: equal work must give equal results, in curation too. The recipe decodes
greedily in float32, so a sample's tokens depend on its prompt and on what Python answered, not on seeds, on who drew
it, or on whether its engine died half-way. Two things legitimately differ. A sample whose interpreter died with
variables in it is told so, and goes on differently. And rounding may decide between two tokens that the teacher finds
equally likely, which is looked up in the teacher itself. A problem with such a sample, in either run, is excused from
the comparison; of all others the endings, the sample keys, the published keys and every token must be the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from factory.inspection.audit import REREAD, audit
from factory.records import Reject, SampleKey, Trace
from tests.chaos import rounding
from tests.chaos.account import Account, name_of
from tests.conftest import ROOT

TEACHER = ROOT / "jobs" / "demo" / "teacher"
NEVER = {"program_failed", "crashes_worker"}  # reasons that say that something of ours broke


@dataclass(slots=True)
class Judged:
    """The checks that were made, in order, each with what contradicts it."""

    checks: dict[str, list[str]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)  # problems with a sample that was told of a lost interpreter
    rounded: set[str] = field(default_factory=set)  # problems with a sample that rounding sent another way
    compared: int = 0  # samples whose tokens were compared with the undisturbed run's

    @property
    def sound(self) -> bool:
        return not any(self.checks.values())

    def check(self, what: str, against: Iterable[object]) -> None:
        self.checks.setdefault(what, []).extend(sorted(map(str, against)))


def judge(run: Account, calm: Account) -> Judged:
    """Check a disturbed run against its inputs, its dataset and an undisturbed run."""
    judged = Judged()
    judged.check("every row and every problem of a thread has an ending", run.entered - run.ended)
    n_found = {thread.thread_id: thread.n_found for thread in run.curated}
    judged.check(
        "every problem found in a thread went on or has a reject",
        (thread_id for thread_id, ids in run.stated.items() if len(ids) != n_found[thread_id]),
    )
    judged.check("nothing ended that did not enter", run.ended - run.entered)
    judged.check("no reject was caused by a kill", (f"{r.id}: {r.detail}" for r in run.rejects if r.reason in NEVER))
    keys = Counter(map(name_of, run.published))
    judged.check("no key is twice in dataset/", (key for key, n in keys.items() if n > 1))
    judged.check("dataset/ holds the files of the manifest and no other", run.stray)
    _compare(judged, run, calm)
    _audit(judged, run)
    return judged


def _compare(judged: Judged, run: Account, calm: Account) -> None:
    before = {trace.key: trace for trace in calm.traces}
    judged.told = told = _told_of_a_loss(run.traces) | _told_of_a_loss(calm.traces)
    both = [trace for trace in run.traces if trace.key in before and trace.problem_id not in told]
    others = [trace for trace in both if trace.token_ids != before[trace.key].token_ids]
    rounded = {trace.problem_id for trace in others if rounding.explains(trace, before[trace.key], TEACHER)}
    judged.compared, judged.rounded = len(both), rounded
    excused = told | rounded
    judged.check(
        "equal samples have equal tokens",
        (f"{t.key}: {_difference(t, before[t.key])}" for t in others if t.problem_id not in rounded),
    )
    judged.check("the inputs are those of the undisturbed run", run.entered ^ calm.entered)
    judged.check("the same problems were found in the same threads", _found(run) ^ _found(calm))
    judged.check("the same rows were refused before a sample was drawn", _refusals(run) ^ _refusals(calm))
    judged.check("problems ended the same way", _but(_endings(run) ^ _endings(calm), excused))
    judged.check("they have the same finished samples", _but(_keys(run.keys) ^ _keys(calm.keys), excused))
    judged.check("they have the same published samples", _but(_published(run) ^ _published(calm), excused))


def _audit(judged: Judged, run: Account) -> None:
    found = audit(run.run.uri, answers=len(run.published), cells=0)
    for what, n in found.faults.items():
        judged.check("factory audit finds nothing", [f"{what}: {n}, {found.examples.get(what, [])[:1]}"])
    judged.check("factory audit finds nothing", ())
    again = found.checked[REREAD]
    judged.check(
        "every published trace was verified again from its tokens",
        () if again == len(run.published) else [f"{again} of {len(run.published)}; {found.notices[:3]}"],
    )


def _told_of_a_loss(traces: Iterable[Trace]) -> set[str]:
    """Problems of which a sample was shown that its interpreter was lost."""
    return {trace.problem_id for trace in traces if any(call.state_lost for call in trace.tool_calls)}


def _found(run: Account) -> set[tuple[str, str | None, str]]:
    """(id, answer, text) of the problems of all threads."""
    return {(problem.id, problem.answer, problem.text) for thread in run.curated for problem in thread.problems}


def _refusals(run: Account) -> set[tuple[str, str]]:
    return {(r.id, f"{r.stage}/{r.reason}") for r in run.rejects if r.stage != "solve"}


def _endings(run: Account) -> set[tuple[str, str]]:
    """(problem, how it ended, the settled reference and the votes where there is a verdict)."""
    verdicts = {(v.problem.id, f"verdict {v.reference}, votes {sorted(v.votes.items())}") for v in run.verdicts}
    return verdicts | {(r.id, _reason(r)) for r in run.rejects}


def _reason(reject: Reject) -> str:
    return f"reject {reject.stage}/{reject.reason}"


def _keys(keys: set[SampleKey]) -> set[tuple[str, str]]:
    return {(key.problem_id, str(key)) for key in keys}


def _published(run: Account) -> set[tuple[str, str]]:
    return {(row["problem_id"], name_of(row)) for row in run.published}


def _but(found: set[tuple[str, str]], excused: set[str]) -> list[tuple[str, str]]:
    return [(problem, what) for problem, what in found if problem not in excused]


def _difference(one: Trace, other: Trace) -> str:
    pairs = zip(one.token_ids, other.token_ids, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one.token_ids), len(other.token_ids)))
    ended = Counter({one.finish_reason: 1, other.finish_reason: 1})
    return f"from token {at} of {len(one.token_ids)} and {len(other.token_ids)} ({', '.join(ended)})"
