"""Measuring keeps an engine full with a run's own programs, and counts what it generates."""

from __future__ import annotations

import pytest

from factory import recipe as recipes
from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.engines.scripted import ScriptedEngine
from factory.records import Problem
from factory.tuning.measure import measure
from tests.conftest import ROOT
from tests.programs.rollouts import FINAL, Python, call, turns

TEACHER = ROOT / "jobs" / "demo" / "teacher"
TOKENIZER = HfTokenizer(TEACHER / "tokenizer.json")
WITH_A_CALL = turns(call("print(1)"), FINAL, dialect=Harmony(TOKENIZER), tokenizer=TOKENIZER)
PROBLEMS = [Problem(id=f"p{n}", text=f"What is {n} + {n}?", answer=str(2 * n)) for n in range(3)]


@pytest.fixture
def recipe():
    demo = recipes.load(ROOT / "jobs" / "recipes" / "demo.yaml", [f"teacher.model={TEACHER}"])
    return demo.model_copy(update={"solve": demo.solve.model_copy(update={"samples": 1})})


async def test_an_engine_is_kept_full_and_its_rate_has_an_interval(recipe):
    engine = ScriptedEngine(WITH_A_CALL, capacity=6, chunk_tokens=4, delay_s=0.05)
    found = await measure(recipe, PROBLEMS, engine, Python(), warm_up_s=5, seconds=4)
    assert found.sequences > 4
    assert 0 < found.low <= found.rate <= found.high
    assert found.rate == pytest.approx(6 * 4 / 0.05, rel=0.5)  # what six sequences of four tokens a step can give
    affinities = [request.affinity for request in engine.requests]
    assert len({name.split("/")[0] for name in affinities}) > len(PROBLEMS)  # the same problems again and again


async def test_a_program_that_raises_is_an_error_and_no_rate(recipe):
    engine = ScriptedEngine(WITH_A_CALL, capacity=4)
    with pytest.raises(ExceptionGroup):
        await measure(recipe, [None], engine, Python(), warm_up_s=0.5, seconds=1)
