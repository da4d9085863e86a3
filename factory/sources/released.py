"""Rows of released datasets of solutions: Nemotron-Math-v2 and OpenMathReasoning, each row a right solution.

Columns: facts of the releases, as their readers describe them. A row that is no solution, or does not say what a sample
needs, raises `RowError` with the reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from factory.dialects.fenced import Fenced
from factory.records import Attribution, FunctionCall, Message, MessageToolCall, Mode, Problem, Regime
from factory.sources.row_error import RowError
from factory.sources.rows import word

_PROBLEM = ["problem", "expected_answer", "license"]
COLUMNS = {
    "nemotron_math": [
        *_PROBLEM,
        *("original_expected_answer", "changed_answer_to_majority", "data_source", "url", "user_url", "user_name"),
        *("messages", "tools", "metadata"),
        *("reasoning_mode", "with_tool", "problem_id", "sample", "model"),  # of datasets that this library published
    ],
    "open_math_reasoning": [
        *_PROBLEM,
        *("problem_type", "problem_source", "pass_rate_72b_tir"),
        *("generated_solution", "generation_model", "inference_mode"),
    ],
}
PASS_RATE = "pass_rate_72b_tir"
_MODE_IN_NAME = re.compile(r"(?<![a-z])(low|medium|high)(?![a-z])")
_THOUGHT = re.compile(r"\A\s*(?:<think>)?(.*)</think>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedSample:
    """One row: its problem (`answer` is what the forum gave, where that is known), and the solution."""

    problem: Problem
    reference: str
    changed: bool
    regimes: list[Regime] = field(default_factory=list)
    mode: Mode
    tool: bool
    sample: int | None = None
    messages: list[Message]
    model: str | None = None
    pass_rate: float | None = None
    """OpenMathReasoning's, of Qwen2.5-Math-72B-Instruct with Python over 32 samples."""


def problem_id(row: Mapping[str, Any]) -> str:
    """The row's own, or one made of its text: rows of one problem have one id. Raises `RowError` without a text."""
    text = word(row, "problem")
    if not text:
        raise RowError("missing_problem", "no text in 'problem'")
    own = word(row, "problem_id")
    return own or "released-" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def read(row: Mapping[str, Any], layout: str, place: str, mode: Mode | None, license: str | None) -> ReleasedSample:
    """A row of a layout. `place` names its file, `mode` and `license` count where the row says nothing."""
    return (_nemotron if layout == "nemotron_math" else _open_math_reasoning)(row, place, mode, license)


def _nemotron(row: Mapping[str, Any], place: str, mode: Mode | None, license: str | None) -> ReleasedSample:
    changed = row.get("changed_answer_to_majority") is True
    reference = _reference(row)
    original = word(row, "original_expected_answer") or (None if changed else reference)
    named = word(row, "reasoning_mode") or next(iter(_MODE_IN_NAME.findall(place.lower())), None)
    chosen = named or mode or ""
    if chosen not in {*Mode}:
        raise RowError("unknown_mode", f"neither the row nor the name of its file says one: {named or place!r}")
    sample = row.get("sample")
    return ReleasedSample(
        problem=_problem(row, word(row, "data_source"), original, place, license),
        reference=reference,
        changed=changed,
        regimes=_regimes(row.get("metadata")),
        mode=Mode(chosen),
        tool=bool(row.get("tools") or row.get("with_tool")),
        sample=sample if isinstance(sample, int) else None,
        messages=_messages(row.get("messages")),
        model=word(row, "model"),
    )


def _open_math_reasoning(row: Mapping[str, Any], place: str, mode: Mode | None, license: str | None) -> ReleasedSample:
    kind, solution = word(row, "inference_mode"), row.get("generated_solution")
    if kind == "genselect":
        raise RowError("not_a_solution", "it selects among solutions")
    if not isinstance(solution, str) or not solution.strip():
        raise RowError("no_solution", "no text in 'generated_solution'")
    assert mode is not None, "the recipe gives one"
    reference, origin = _reference(row), word(row, "problem_type")
    rate = word(row, PASS_RATE) or ""
    changed = origin is not None and origin != "has_answer_extracted"
    return ReleasedSample(
        problem=_problem(row, word(row, "problem_source"), None if changed else reference, place, license),
        reference=reference,
        changed=changed,
        mode=mode,
        tool=kind == "tir",
        messages=[Message(role="user", content=str(row["problem"])), *_solution(solution)],
        model=word(row, "generation_model"),
        pass_rate=float(rate) if re.fullmatch(r"[01](\.\d+)?", rate) else None,
    )


def _reference(row: Mapping[str, Any]) -> str:
    reference = word(row, "expected_answer")
    if not reference:
        raise RowError("no_reference", "no text in 'expected_answer'")
    return reference


def _problem(
    row: Mapping[str, Any], source: str | None, answer: str | None, place: str, license: str | None
) -> Problem:
    return Problem(
        id=problem_id(row),
        text=str(row["problem"]),
        answer=answer,
        source=source or "",
        attribution=Attribution(
            license=word(row, "license") or license,
            url=word(row, "url"),
            user_name=word(row, "user_name"),
            user_url=word(row, "user_url"),
        ),
        position=place,
    )


def _regimes(metadata: Any) -> list[Regime]:
    """Counts of all regimes, as the release tells them; none where it does not."""
    if not isinstance(metadata, Mapping):
        return []
    found = []
    for mode, tool in product((Mode.LOW, Mode.MEDIUM, Mode.HIGH), (True, False)):
        told = metadata.get(Regime(mode=mode, tool=tool, count=0, passed=0).name) or {}
        count, passed = told.get("count") or 0, told.get("pass") or 0
        found.append(Regime(mode=mode, tool=tool, count=int(count), passed=int(passed)))
    return found


def _messages(values: Any) -> list[Message]:
    """Messages of OpenAI form. Arguments of calls may be JSON text or an object."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise RowError("no_messages", "'messages' is no list")
    found = []
    for value in values:
        if not isinstance(value, Mapping) or not isinstance(value.get("role"), str):
            raise RowError("no_messages", "a message has no role")
        calls = [_call(call, n) for n, call in enumerate(value.get("tool_calls") or [], 1)]
        found.append(
            Message(
                role=value["role"],
                content=_content(value.get("content")),
                reasoning_content=value.get("reasoning_content") or None,
                tool_calls=calls or None,
                tool_call_id=value.get("tool_call_id"),
            )
        )
    return found


def _content(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in value):
        return "".join(str(part.get("text") or "") for part in value)
    raise RowError("no_messages", f"the content of a message is a {type(value).__name__}")


def _call(value: Any, number: int) -> MessageToolCall:
    function = value.get("function") if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RowError("no_messages", "a tool call names no function")
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return MessageToolCall(
        id=str(value.get("id") or f"call_{number}"), function=FunctionCall(name=function["name"], arguments=text)
    )


def _solution(text: str) -> list[Message]:
    """The turns of a solution: thoughts up to the end of thinking, code between its marks, and what came back."""
    thought = _THOUGHT.match(text)
    parsed, _ = Fenced.read_text(text[thought.end() :] if thought and "<tool_call>" not in thought[1] else text)
    messages = [m for m in parsed.messages if m.role in ("assistant", "tool")]
    if thought and messages and messages[0].role == "assistant" and "<tool_call>" not in thought[1]:
        first = messages[0]
        messages[0] = Message(role="assistant", content=first.content.strip(), reasoning_content=thought[1].strip(),
                              tool_calls=first.tool_calls)  # fmt: skip
    return messages
