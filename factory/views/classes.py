"""The stored samples of one problem as right and wrong ones, sure enough to train a judge on, and their texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from factory.store.ids import hash_of
from factory.views.nemotron import SCHEMA, conversation
from factory.views.problem import Sample, SolvedProblem
from factory.views.view import Options

MESSAGE_LIST = SCHEMA.field("messages").type
GROUP = 6
"""Samples of one problem in a reward model's group, as in AceMath."""


class LabelOptions(Options):
    """Options of views that tell right samples from wrong ones."""

    negatives: Literal["both", "rules"] = "both"
    """Wrong samples to take: that rules and judge both call wrong, or that the rules do and no judge calls right."""
    text: Literal["final", "full"] = "final"
    """Of a solution: the last message alone, which a short reward model can read, or all messages with reasoning."""
    tool: bool | None = None
    """Only samples that were given Python (true), or only ones that were not (false)."""
    max_chars: int = Field(100_000, ge=1)
    """Longest solution to take, in characters. A solution is never cut."""


def is_sure_positive(sample: Sample) -> bool:
    """Published, and neither rules nor judge call it wrong."""
    judgement = sample.judgement
    return sample.right and judgement is not None and False not in (judgement.symbolic, judgement.judge)


def is_sure_negative(sample: Sample, negatives: Literal["both", "rules"]) -> bool:
    """Wrong, with an answer, and not by an error that only one of the two sees."""
    judgement = sample.judgement
    if not sample.wrong or judgement is None or judgement.symbolic is not False:
        return False
    return judgement.judge is False if negatives == "both" else judgement.judge is not True


def sure(problem: SolvedProblem, options: LabelOptions) -> tuple[list[Sample], list[Sample]]:
    """Right and wrong samples that may be taken, each in a random order that never changes."""
    wanted = [sample for sample in problem.samples if options.tool in (None, sample.key.tool)]
    wanted = [sample for sample in wanted if 0 < len(text_of(sample, options.text)) <= options.max_chars]
    order: Callable[[Sample], Any] = lambda sample: (hash_of(sample.uid), sample.uid)  # noqa: E731
    right = sorted((sample for sample in wanted if is_sure_positive(sample)), key=order)
    wrong = sorted((sample for sample in wanted if is_sure_negative(sample, options.negatives)), key=order)
    return right, wrong


def group_of_six(problem: SolvedProblem, options: LabelOptions) -> tuple[list[Sample], list[Sample]] | str:
    """k right and 6 - k wrong samples, k as near to three as there are samples; or why there is no such group."""
    right, wrong = sure(problem, options)
    if not right or not wrong:
        return "one_class"
    if len(right) + len(wrong) < GROUP:
        return "fewer_than_six"
    k = min(max(GROUP // 2, GROUP - len(wrong)), len(right))
    return right[:k], wrong[: GROUP - k]


def completion(sample: Sample, text: Literal["final", "full"]) -> list[dict[str, Any]]:
    """What the model answered, as messages."""
    said = [message for message in conversation(sample.messages) if message["role"] != "user"]
    if text == "full":
        return said
    return [{"role": "assistant", "content": final_text(sample), "reasoning_content": None,
             "tool_calls": None, "tool_call_id": None}]  # fmt: skip


def final_text(sample: Sample) -> str:
    """The last that the assistant said, without what it thought."""
    spoken = [message["content"] for message in sample.messages if message["role"] == "assistant"]
    return spoken[-1] if spoken else ""


def text_of(sample: Sample, text: Literal["final", "full"]) -> str:
    """A solution as one text: thoughts, words, code and output in their order."""
    if text == "final":
        return final_text(sample)
    parts = list[str]()
    for message in completion(sample, "full"):
        calls = [call["function"]["arguments"] for call in message["tool_calls"] or ()]
        parts += [part for part in (message["reasoning_content"], message["content"], *calls) if part]
    return "\n\n".join(parts)


def decided_by(sample: Sample) -> str:
    """Who decided a sample's label: rules, judge, or both alike."""
    judgement = sample.judgement
    if judgement is None:
        return "nobody"
    said = {"rules": judgement.symbolic, "judge": judgement.judge}
    return "+".join(who for who, verdict in said.items() if verdict is not None and verdict == judgement.equal) or (
        judgement.method
    )


def user_message(problem: SolvedProblem) -> list[dict[str, Any]]:
    """The problem as it was stated, as a conversation."""
    return [{"role": "user", "content": problem.problem.text, "reasoning_content": None,
             "tool_calls": None, "tool_call_id": None}]  # fmt: skip


def origin_fields(names: Sequence[str] = ("problem_id", "problem", "reference", "source", "license")) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


def origin(problem: SolvedProblem) -> dict[str, Any]:
    """What each row says about its problem: the columns of `origin_fields`."""
    return {
        "problem_id": problem.id,
        "problem": problem.problem.text,
        "reference": problem.verdict.reference,
        "source": problem.problem.source,
        "license": problem.problem.attribution.license,
    }
