"""A problem with the answers that a run has drawn for it, and how it ended there: what derived programs read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from factory.arrow import Int32
from factory.records import Problem, SampleRow, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer(SampleRow):
    """One stored sample without its tokens. `equal` is what the run's judging made of it, None if it is open."""

    uid: str
    answer: str | None
    n_generated_tokens: Int32 = 0
    judged: bool = False  # whether the run judged it at all
    equal: bool | None = None

    def trace(self) -> Trace:
        """The sample as a trace of which only the answer is known."""
        key = {f.name: getattr(self, f.name) for f in fields(SampleRow)}
        return Trace(
            **key,
            uid=self.uid,
            token_ids=[],
            mask=[],
            messages=[],
            answer=self.answer,
            finish_reason="",
            n_generated_tokens=self.n_generated_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredProblem:
    """One problem of a run: its answers, one for each sample key, and its ending there."""

    id: str
    problem: Problem
    answers: list[StoredAnswer] = field(default_factory=list)
    ending: str  # "verdict", or the reason of its reject
    reference: str | None = None
    difficulty: float | None = None
