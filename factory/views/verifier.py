"""verifier: a solution, whether it is right, and why: for models that check solutions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import Field

from factory.records import tool_name
from factory.store.ids import hash_of
from factory.views.classes import (
    LabelOptions,
    decided_by,
    is_sure_negative,
    is_sure_positive,
    origin,
    origin_fields,
    text_of,
)
from factory.views.funnel import Funnel
from factory.views.problem import MESSAGES, Sample, SolvedProblem
from factory.views.view import Inputs, Row, Table, View

_TEXTS = ("uid", "solution", "answer", "why", "rule", "decided_by", "mode", "tool")
_SCHEMA = pa.schema([*origin_fields(), *(pa.field(n, pa.string()) for n in _TEXTS), pa.field("right", pa.bool_())])


class VerifierOptions(LabelOptions):
    """Options of `verifier`."""

    per_class: int | None = Field(4, ge=1)
    """Most right and most wrong samples of one problem."""


class Verifier(View[VerifierOptions]):
    """Every solution that was surely right or wrong, with its label and the rule or judge that gave it."""

    name = "verifier"
    options = VerifierOptions

    def reads(self, options: VerifierOptions) -> Sequence[str]:
        return MESSAGES

    def tables(self, options: VerifierOptions, inputs: Inputs) -> Mapping[str, Table]:
        return {"verifier": Table(_SCHEMA, repetitive=["problem_id", "problem", "reference", "source", "license"])}

    def rows(
        self, problems: Iterable[SolvedProblem], options: VerifierOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        for problem in problems:
            taken = Counter[bool]()
            for sample in sorted(problem.samples, key=lambda sample: (hash_of(sample.uid), sample.uid)):
                reason = _reason(sample, options)
                if reason is None and options.per_class is not None and taken[sample.right] >= options.per_class:
                    reason = "more_than_per_class"
                if reason is not None:
                    funnel.leave(reason)
                    continue
                funnel.use()
                taken[sample.right] += 1
                judgement = sample.judgement
                assert judgement is not None
                about = {
                    "uid": sample.uid,
                    "solution": text_of(sample, options.text),
                    "answer": sample.about["answer"],
                    "why": judgement.method,
                    "rule": judgement.rule,
                    "decided_by": decided_by(sample),
                    "mode": sample.key.mode.value,
                    "tool": tool_name(sample.key.tool),
                    "right": sample.right,
                }
                yield Row("verifier", origin(problem) | about)


def _reason(sample: Sample, options: VerifierOptions) -> str | None:
    """Why a sample is left out; None if it is not."""
    if not sample.right and not sample.wrong:
        return sample.outcome
    if options.tool not in (None, sample.key.tool):
        return "tool"
    if sample.right and not is_sure_positive(sample):
        return "right_but_disputed"
    if sample.wrong and not is_sure_negative(sample, options.negatives):
        return "wrong_but_not_by_both" if options.negatives == "both" else "wrong_but_disputed"
    solution = text_of(sample, options.text)
    if not solution:
        return "no_text"
    return "too_long" if len(solution) > options.max_chars else None
