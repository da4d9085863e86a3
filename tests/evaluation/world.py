"""A model with known pass rates, and evaluations of it in this process."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from factory import ingest
from factory.arrow import from_table, to_table
from factory.dialects.tokenizer import encode_markup
from factory.engines.scripted import ScriptedEngine
from factory.programs.evaluate import EVALUATION
from factory.recipe import Evaluate
from factory.records import Problem
from factory.runs import KINDS
from factory.stages.ledger import Ledger
from factory.stages.worker import Worker
from factory.store.fs import Store
from factory.store.publish import in_process
from factory.store.run import Run
from tests.programs.rollouts import HARMONY, TOKENIZER
from tests.stages.support import connecting

KIND = KINDS["evaluate"]


def student(shift: float = 0.0, **options: Any) -> ScriptedEngine:
    """Answers problem `... 0.7 ... gold 5` right with a chance of 0.7 + shift, by the seed; else 100, 101 or 102."""

    def script(prompt: list[int], sampling: Any) -> list[int]:
        words = next(m.content for m in reversed(HARMONY.parse(prompt).messages) if m.role == "user")
        rate, gold = re.search(r"rate ([\d.]+) gold (\d+)", words).groups()
        dice = random.Random(sampling.seed)
        answer = gold if dice.random() < float(rate) + shift else str(100 + dice.randrange(3))
        return encode_markup(TOKENIZER, f"<|channel|>final<|message|>\\boxed{{{answer}}}<|return|>")

    return ScriptedEngine(script, **options)


def problems(count: int) -> list[Problem]:
    """Problems whose pass rates go from 0 to 1."""
    return [
        Problem(
            id=f"p{n:04}",
            text=f"Problem {n}, rate {n / max(count - 1, 1):.4f} gold {n % 50}",
            answer=str(n % 50),
            source=("algebra", "geometry")[n % 2],
        )
        for n in range(count)
    ]


def write(path: Any, rows: list[Problem]) -> str:
    lines = [{"id": p.id, "problem": p.text, "answer": p.answer, "source": p.source} for p in rows]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return str(path)


def recipe_of(path: str, **sections: Any) -> Evaluate:
    values = {
        "kind": "evaluate",
        "name": "scripted",
        "sources": [{"path": path}],
        "student": {"model": "m"},
        "attempts": {"modes": ["high"], "tools": [False], "samples": 8, "sampling": {"max_tokens": 500}},
        "journal": {"part_age_s": 0.1},
        "programs": {"max_attempts": 2},
    }
    return Evaluate.model_validate(values | sections)


def started(out: Any, recipe: Evaluate) -> tuple[Run, Evaluate]:
    store = Store.open(str(out))
    KIND.check(recipe, store)
    recipe = KIND.resolve(recipe, store)
    return Run.open(str(out), recipe), recipe


async def draw(run: Run, recipe: Evaluate, engine: ScriptedEngine, rows: list[Problem]) -> None:
    """What the graph does: rows through the worker."""
    worker = Worker(run, recipe, connecting(Ledger(run.uri), student=engine), EVALUATION, in_flight=64)
    async for _ in worker(to_table(Problem, rows)):
        pass


async def evaluated(out: Any, path: str, engine: ScriptedEngine | None = None, **sections: Any) -> Run:
    """A whole evaluation, from its recipe to its result."""
    run, recipe = started(out, recipe_of(path, **sections))
    inputs = ingest.load(run.store) or KIND.read_inputs(run, recipe, in_process)
    for key in inputs.parts_of(Problem):
        await draw(run, recipe, engine or student(), from_table(Problem, ingest.read_part(run.store, inputs, key)))
    KIND.publish(run, recipe, inputs, in_process)
    return run
