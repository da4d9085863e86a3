"""Training data is what the model meets when it is used: the dialect's prompts, the sandbox's outputs."""

from __future__ import annotations

import json
import random

import pytest

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.records import Mode, Origin
from factory.sandbox.local import LocalSandbox
from factory.verify.extract import extract_answer
from jobs.demo.corpus import CONFIGS, Example, draw, example, examples, solve_task, user_prompt
from jobs.demo.evaluate import TEACHER
from jobs.demo.families import FAMILIES, Exercise
from jobs.demo.solutions import Cell, Thought, solution


@pytest.fixture(scope="module")
def dialect() -> Harmony:
    return Harmony(HfTokenizer(TEACHER))


def one_of(name: str, seed: int = 0) -> Exercise:
    return FAMILIES[name](random.Random(seed))


def rendered(dialect: Harmony, exercise: Exercise, mode: Mode, tool: bool, seed: int = 0) -> Example:
    steps = solution(exercise, mode, tool, random.Random(seed))
    return example(dialect, user_prompt(exercise.text), mode, tool, steps)


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize(("mode", "tool"), CONFIGS)
def test_every_family_is_solved_in_every_configuration(dialect: Harmony, name: str, mode: Mode, tool: bool) -> None:
    for seed in range(8):
        exercise = one_of(name, seed)
        drawn = rendered(dialect, exercise, mode, tool, seed)
        parsed = dialect.parse(drawn.ids)
        assert extract_answer(parsed.final_text) == exercise.latex
        assert not parsed.problems
        assert not parsed.truncated
        assert parsed.n_python_calls == parsed.n_tool_outputs
        assert (parsed.n_python_calls > 0) == tool
        assert len(drawn.ids) < 1000


def test_modes_differ_in_length(dialect: Harmony) -> None:
    rng = random.Random(1)
    exercises = [draw(rng, held_back=False) for _ in range(100)]
    lengths = {
        (mode, tool): sum(len(rendered(dialect, e, mode, tool).ids) for e in exercises) for mode, tool in CONFIGS
    }
    for tool in (False, True):
        assert lengths[Mode.LOW, tool] < lengths[Mode.MEDIUM, tool] < lengths[Mode.HIGH, tool]


def test_python_is_called_in_each_way() -> None:
    rng = random.Random(2)
    cells = []
    for _ in range(300):
        steps = solution(draw(rng, held_back=False), Mode.MEDIUM, True, rng)
        cells.append([step.code for step in steps if isinstance(step, Cell)])
    assert {len(c) for c in cells} == {1, 2}
    assert any("sympy" in c[0] for c in cells)
    assert any("print" not in c[-1] for c in cells)  # a last expression that is echoed


def test_some_high_traces_find_their_slip() -> None:
    rng = random.Random(3)
    thoughts = [
        step
        for _ in range(200)
        for step in solution(draw(rng, held_back=False), Mode.HIGH, False, rng)
        if isinstance(step, Thought)
    ]
    slipped = [t for t in thoughts if any(not piece.learn for piece in t.pieces)]
    assert 5 < len(slipped) < 60
    for thought in slipped:
        assert "Wrong, so again" in "".join(piece.text for piece in thought.pieces)


def test_only_what_the_model_writes_is_learnt(dialect: Harmony) -> None:
    for seed in range(10):
        drawn = rendered(dialect, one_of("equation", seed), Mode.HIGH, True)
        prompt = dialect.prompt(user_prompt(one_of("equation", seed).text), mode=Mode.HIGH, tool=True)
        assert drawn.ids[: len(prompt)] == prompt
        for token_origin, learn in zip(drawn.origin, drawn.learn, strict=True):
            assert learn == (token_origin == Origin.GENERATED)
        outputs = [i for i, origin in zip(drawn.ids, drawn.origin, strict=True) if origin == Origin.TOOL]
        assert dialect.tokenizer.decode(outputs).count("<|start|>python to=assistant<|channel|>analysis") == 2


def test_pieces_are_tokenised_as_the_whole_is(dialect: Harmony) -> None:
    rng = random.Random(4)
    for _ in range(100):
        for step in solution(draw(rng, held_back=False), Mode.HIGH, False, rng):
            if isinstance(step, Thought):
                pieces = [i for piece in step.pieces for i in dialect.tokenizer.encode(piece.text)]
                text = "".join(piece.text for piece in step.pieces)
                assert dialect.tokenizer.decode(pieces) == text


async def test_outputs_are_those_of_the_sandbox(dialect: Harmony) -> None:
    rng = random.Random(5)
    async with LocalSandbox() as sandbox:
        for name in FAMILIES:
            for mode in Mode:
                drawn = rendered(dialect, FAMILIES[name](rng), mode, True, rng.randrange(100))
                messages = dialect.parse(drawn.ids).messages
                calls = [m.tool_calls[0] for m in messages if m.tool_calls]
                shown = [m.content for m in messages if m.role == "tool"]
                session = await sandbox.open()
                for call, expected in zip(calls, shown, strict=True):
                    result = await session.run(_code(call.function.arguments))
                    assert dialect.parse(dialect.tool_output(result)).messages[0].content == expected
                await session.close()


def _code(arguments: str) -> str:
    code: str = json.loads(arguments)["code"]
    return code


def test_the_stream_is_seeded(dialect: Harmony) -> None:
    first, second = (
        [e.ids for e, _ in zip(examples(9, dialect, {solve_task: 1.0}), range(20), strict=False)] for _ in range(2)
    )
    assert first == second
