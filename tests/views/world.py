"""Finished runs made up for tests of views: right, wrong, undecided and unanswered samples, and oddities."""

from __future__ import annotations

import random

from factory.recipe import Recipe
from factory.records import (
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
    Trace,
    Verdict,
    uid_of,
)
from factory.store.publish import publish
from factory.store.run import Run
from factory.views.nemotron import NemotronMath

REGIMES = [(mode, tool) for mode in Mode for tool in (False, True)]
RECIPE = Recipe.model_validate({"name": "made", "sources": [{"path": "x"}], "teacher": {"model": "jobs/demo/teacher"}})


def make_run(
    uri, problems: int = 24, samples: int = 2, *, tokens: tuple[int, int] = (20, 90), odd: bool = True, seed: int = 0
) -> Run:
    """A published run. Of each problem and regime there are `samples` samples of so many tokens.

    One trace is journaled twice, one was drawn again and replaced, and one problem with traces was rejected.
    """
    draw = random.Random(seed)
    run = Run.open(str(uri), RECIPE)
    journal = run.writer("w", RECIPE.journal)
    for number in range(problems):
        traces, verdict = make_problem(f"p{number}", samples, tokens, draw, odd=odd)
        for trace in traces:
            journal.append(trace)
        if number == 0:
            journal.append(traces[0])
        if number == 1:
            journal.append(make_trace(traces[0].key, "other", (20, 30), draw))
        if number == 2:
            journal.append(Reject.of(verdict.problem, "solve", "too_easy"))
        else:
            journal.append(verdict)
    journal.close()
    publish(run, RECIPE.publish, NemotronMath())
    return run


def make_problem(
    name: str, samples: int, tokens: tuple[int, int], draw: random.Random, *, odd: bool = True
) -> tuple[list[Trace], Verdict]:
    """`odd` problems also have samples without an answer, and ones that nobody could decide."""
    reference = str(draw.randint(10, 99))
    traces, judgements = list[Trace](), list[Judgement]()
    for mode, tool in REGIMES:
        for sample in range(samples):
            key = SampleKey(problem_id=name, mode=mode, tool=tool, sample=sample)
            answer = draw.choice(
                [reference, reference, reference + "0", reference + "1", *([None, "x"] if odd else [])]
            )
            traces.append(make_trace(key, answer, tokens, draw))
            judgements.append(_judgement(traces[-1], reference, draw))
    right = sum(judgement.equal is True for judgement in judgements)
    wrong = sum(judgement.equal is False for judgement in judgements)
    problem = Problem(id=name, text=f"What is {name}?", answer=reference, source="made")
    regimes = []
    for mode, tool in REGIMES:
        mine = [judgement for judgement in judgements if (judgement.mode, judgement.tool) == (mode, tool)]
        regimes.append(Regime(mode=mode, tool=tool, count=len(mine), passed=sum(j.equal is True for j in mine)))
    return traces, Verdict(
        problem=problem,
        reference=reference,
        original_reference=reference,
        changed_to_majority=False,
        votes={reference: max(right, 1), reference + "0": wrong},
        regimes=regimes,
        judgements=judgements,
        difficulty=draw.random(),
    )


def make_trace(key: SampleKey, answer: str | None, tokens: tuple[int, int], draw: random.Random) -> Trace:
    """Prompt, then generated tokens, with tool output between two stretches of them for a sample with Python."""
    length = draw.randint(*tokens)
    prompt, tool = length // 4, length // 5 if key.tool else 0
    generated = length - prompt - tool
    mask = [Origin.PROMPT] * prompt + [Origin.GENERATED] * (generated // 2)
    mask += [Origin.TOOL] * tool + [Origin.GENERATED] * (generated - generated // 2)
    token_ids = [draw.randrange(32, 127) for _ in range(length)]
    text = "It is unclear." if answer is None else f"It is \\boxed{{{answer}}}."
    said = [
        Message(role="system", content="Reasoning: high"),
        Message(role="user", content=f"What is {key.problem_id}?"),
    ]
    if key.tool:
        call = MessageToolCall(id="c", function=FunctionCall(name="python", arguments='{"code": "1 + 1"}'))
        said += [Message(role="assistant", reasoning_content="I compute.", tool_calls=[call])]
        said += [Message(role="tool", content="2", tool_call_id="c")]
    said += [Message(role="assistant", content=text, reasoning_content=f"So it is {answer}, sample {key.sample}.")]
    return Trace(
        problem_id=key.problem_id,
        mode=key.mode,
        tool=key.tool,
        sample=key.sample,
        uid=uid_of(key, token_ids),
        token_ids=token_ids,
        mask=mask,
        messages=said,
        answer=answer,
        finish_reason="stop" if answer else "length",
        n_prompt_tokens=prompt,
        n_generated_tokens=generated,
        n_tool_tokens=tool,
        max_tokens=1000,
        model="made",
    )


def _judgement(trace: Trace, reference: str, draw: random.Random) -> Judgement:
    """ "x" is what nobody could decide; the judge was asked about some of the others, and agrees."""
    equal = None if trace.answer == "x" else trace.answer == reference
    asked = equal is not None and trace.answer is not None and draw.random() < 0.7
    return Judgement(
        mode=trace.mode,
        tool=trace.tool,
        sample=trace.sample,
        uid=trace.uid,
        answer=trace.answer,
        equal=equal,
        method="missing" if trace.answer is None else "number",
        symbolic=None if trace.answer is None else equal,
        judge=equal if asked else None,
        n_generated_tokens=trace.n_generated_tokens,
    )
