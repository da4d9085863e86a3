"""Which of the published traces a training view takes: filters with a reason each, then at most n of a problem."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pydantic import Field

from factory.records import Mode, SampleKey
from factory.store.ids import hash_of
from factory.views.funnel import Funnel
from factory.views.problem import Sample, SolvedProblem
from factory.views.view import Options


class TraceOptions(Options):
    """What a view of published traces may be told."""

    modes: list[Mode] = Field(default_factory=lambda: list(Mode), min_length=1)
    """Reasoning modes to take."""
    tool: bool | None = None
    """Only traces that were given Python (true), or only ones that were not (false)."""
    min_difficulty: float = Field(0.0, ge=0, le=1)
    """Lower bound of a problem's low-mode pass rate: 0 is hard, 1 is easy."""
    max_difficulty: float = Field(1.0, ge=0, le=1)
    """Upper bound of a problem's low-mode pass rate."""
    min_tokens: int = Field(0, ge=0)
    """Shortest trace to take, in the teacher's tokens, prompt and tool output included."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest trace to take, in the teacher's tokens. A trace is never cut."""
    min_vote_share: float = Field(0.0, ge=0, le=1)
    """Lower bound of the share of votes that the reference's class won; problems without votes pass at 0 alone."""
    verified_by: list[str] | None = None
    """Methods of verification to take, as the column `verified_by` names them: identical, number, judge, ..."""
    per_problem: int | None = Field(None, ge=1)
    """Most traces of one problem, drawn by a hash of the trace: those of a smaller number are among a larger one's."""
    fair: bool = True
    """Draw these in turn from each mode with and without Python, not by how many traces each has."""


def selected(
    problems: Iterable[SolvedProblem], options: TraceOptions, funnel: Funnel
) -> Iterator[tuple[SolvedProblem, Sample]]:
    """The traces to take. Counts those that are left out; the caller counts the rest."""
    for problem in problems:
        kept = list[Sample]()
        for sample in problem.samples:
            if reason := _reason(problem, sample, options):
                funnel.leave(reason)
            else:
                kept.append(sample)
        taken = _drawn(kept, options)
        funnel.leave("more_than_per_problem", len(kept) - len(taken))
        yield from ((problem, sample) for sample in taken)


def _reason(problem: SolvedProblem, sample: Sample, options: TraceOptions) -> str | None:
    """Why a trace is left out; None if it is not."""
    judgement, share = sample.judgement, problem.verdict.vote_share
    if not sample.right or judgement is None:
        return sample.outcome
    if sample.key.mode not in options.modes:
        return "mode"
    if options.tool not in (None, sample.key.tool):
        return "tool"
    if not options.min_difficulty <= problem.verdict.difficulty <= options.max_difficulty:
        return "difficulty"
    if sample.n_tokens < options.min_tokens:
        return "too_short"
    if options.max_tokens is not None and sample.n_tokens > options.max_tokens:
        return "too_long"
    if (share or 0.0) < options.min_vote_share:
        return "vote_share"
    if options.verified_by is not None and judgement.method not in options.verified_by:
        return "verified_by"
    return None


def _drawn(samples: list[Sample], options: TraceOptions) -> list[Sample]:
    """At most `per_problem` of them, in their old order."""
    if options.per_problem is None or len(samples) <= options.per_problem:
        return samples
    order = sorted(samples, key=lambda sample: hash_of(sample.uid))
    if options.fair:
        turns: dict[tuple[Mode, bool], int] = defaultdict(int)
        rank = {}
        for sample in order:
            regime = _regime(sample.key)
            rank[sample.uid] = (turns[regime], regime)
            turns[regime] += 1
        order.sort(key=lambda sample: rank[sample.uid])
    chosen = {sample.uid for sample in order[: options.per_problem]}
    return [sample for sample in samples if sample.uid in chosen]


def _regime(key: SampleKey) -> tuple[Mode, bool]:
    return key.mode, key.tool
