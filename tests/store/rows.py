"""Rows for the store's tests: small, valid, and different from one another where it matters."""

from __future__ import annotations

from factory.arrow import to_dict
from factory.records import (
    Attribution,
    FunctionCall,
    Judgement,
    Message,
    MessageToolCall,
    Mode,
    Origin,
    Problem,
    Regime,
    Reject,
    SampleKey,
    ToolCall,
    Trace,
    Verdict,
    uid_of,
)

FORUM = Attribution(
    license="CC BY-SA 4.0", url="https://forum.example/q/1", user_name="ann", user_url="https://forum.example/u/ann"
)


def problem(name: str, source: str = "forum") -> Problem:
    return Problem(id=name, text=f"What is twice {name}?", answer="7", source=source, attribution=FORUM)


def trace(
    name: str,
    mode: Mode = Mode.LOW,
    tool: bool = False,
    sample: int = 0,
    *,
    answer: str | None = "7",
    n_tokens: int = 12,
    attempt: int = 0,
    salt: int = 0,
) -> Trace:
    """A finished sample of `n_tokens` tokens; `salt` changes its content and so its uid."""
    key = SampleKey(problem_id=name, mode=mode, tool=tool, sample=sample)
    tokens = [(salt * 7919 + sample * 31 + i * i) % 50_000 for i in range(n_tokens)]
    messages = [
        Message(role="system", content=f"effort {mode}"),
        Message(role="user", content=f"What is twice {name}?"),
    ]
    calls = []
    if tool:
        call = MessageToolCall(id="call_0", function=FunctionCall(name="python", arguments='{"code": "print(7)"}'))
        messages += [
            Message(role="assistant", tool_calls=[call]),
            Message(role="tool", content="7", tool_call_id="call_0"),
        ]
        calls = [ToolCall(code="print(7)", status="ok", stdout="7\n", seconds=0.01)]
    messages.append(Message(role="assistant", content=f"\\boxed{{{answer}}}", reasoning_content="twice that"))
    return Trace(
        problem_id=name,
        mode=mode,
        tool=tool,
        sample=sample,
        attempt=attempt,
        uid=uid_of(key, tokens),
        token_ids=tokens,
        mask=[Origin.PROMPT] * 3 + [Origin.GENERATED] * (n_tokens - 3),
        messages=messages,
        answer=answer,
        finish_reason="stop",
        tool_calls=calls,
        n_prompt_tokens=3,
        n_generated_tokens=n_tokens - 3,
        seed=sample,
        model="tiny",
        dialect="harmony",
    )


def verdict(of: Problem, traces: list[Trace], undecided: tuple[str, ...] = ()) -> Verdict:
    """The verdict on `traces`: an answer equal to the reference is right, uids in `undecided` are neither."""
    judgements = [
        Judgement(
            mode=t.mode,
            tool=t.tool,
            sample=t.sample,
            uid=t.uid,
            answer=t.answer,
            equal=None if t.uid in undecided else t.answer == of.answer,
            method="string",
            n_generated_tokens=t.n_generated_tokens,
        )
        for t in traces
    ]
    regimes = []
    for mode, tool in sorted({(t.mode, t.tool) for t in traces}):
        mine = [j for j in judgements if (j.mode, j.tool) == (mode, tool)]
        regimes.append(Regime(mode=mode, tool=tool, count=len(mine), passed=sum(j.equal is True for j in mine)))
    return Verdict(
        problem=of,
        reference=of.answer or "",
        original_reference=of.answer,
        changed_to_majority=False,
        votes={"7": len(traces)},
        regimes=regimes,
        judgements=judgements,
        difficulty=0.5,
    )


def reject(of: Problem, reason: str = "too_easy", stage: str = "solve", kind: str = "problem") -> Reject:
    import json

    row = json.dumps(to_dict(of))
    return Reject(id=of.id, kind=kind, stage=stage, reason=reason, row=row, source=of.source)
