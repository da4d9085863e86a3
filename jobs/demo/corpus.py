"""Training examples as token ids: exactly the tokens that the dialect renders when the model is used.

What the teacher is taught stands here; `curriculum` lists the tasks of each model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from factory.dialects.harmony import Harmony
from factory.prompts.loader import prompt
from factory.records import Mode, Origin
from jobs.demo.cells import Cells
from jobs.demo.families import FAMILIES, Exercise
from jobs.demo.solutions import Cell, Final, Step, Thought, solution

CONFIGS = [(mode, tool) for tool in (True, False) for mode in (Mode.LOW, Mode.MEDIUM, Mode.HIGH)]
_WEIGHTS = [0.8, 1, 1, 0.8, 1.8, 4]
"""How often each of `CONFIGS` is drawn: long working by hand is the hardest to learn."""


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence. `origin` holds an `Origin` per token, `learn` whether the model is to learn to write it."""

    ids: list[int]
    origin: list[int]
    learn: list[bool]


Task = Callable[[random.Random, Harmony], Example]


def draw(rng: random.Random, *, held_back: bool) -> Exercise:
    """An exercise of a random family, from the part that is trained on or from the part that is not."""
    while True:
        exercise = FAMILIES[rng.choice(list(FAMILIES))](rng)
        if exercise.held_back == held_back:
            return exercise


def solve_task(rng: random.Random, dialect: Harmony) -> Example:
    """Solving a problem, in one of the six configurations."""
    (mode, tool), exercise = rng.choices(CONFIGS, _WEIGHTS)[0], draw(rng, held_back=False)
    return example(dialect, user_prompt(exercise.text), mode, tool, solution(exercise, mode, tool, rng))


def examples(seed: int, dialect: Harmony, tasks: Mapping[Task, float]) -> Iterator[Example]:
    """An endless stream of the tasks by their weights, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        (task,) = rng.choices(list(tasks), list(tasks.values()))
        yield task(rng, dialect)


def texts(seed: int, exercises: int) -> Iterator[str]:
    """Everything that is said about that many exercises, for the tokenizer to be built on."""
    rng = random.Random(seed)
    yield from 100 * [
        "system",
        "user",
        "assistant",
        "analysis",
        "final",
        "python to=assistant",
        "analysis to=python code",
    ]
    yield from 100 * [*Mode, "True\n"]
    for _ in range(exercises):
        exercise = draw(rng, held_back=False)
        yield user_prompt(exercise.text)
        for mode, tool in CONFIGS:
            for step in solution(exercise, mode, tool, rng):
                if isinstance(step, Thought):
                    yield from (piece.text for piece in step.pieces)
                else:
                    yield step.code if isinstance(step, Cell) else step.text


def user_prompt(problem: str) -> str:
    return prompt("solve").render({"problem": problem})


def example(dialect: Harmony, user: str, mode: Mode | None, tool: bool, steps: list[Step]) -> Example:
    """Render a script through the dialect, running its cells on the way."""
    writer = _Writer(dialect, dialect.prompt(user, mode=mode, tool=tool))
    for step in steps:
        writer.write(step)
    return Example(writer.ids, writer.origin, writer.learn)


class _Writer:
    def __init__(self, dialect: Harmony, opening: list[int]) -> None:
        self.dialect, self.tokens, self.encode = dialect, dialect.tokens, dialect.tokenizer.encode
        self.ids: list[int] = []
        self.origin: list[int] = []
        self.learn: list[bool] = []
        self._cells = Cells()
        self._header_open = True  # the prompt, or a tool output, ended with the assistant's header
        self._put(opening, Origin.PROMPT)

    def write(self, step: Step) -> None:
        if not self._header_open:
            self._put([self.tokens.start, *self.encode("assistant")])
        self._put([self.tokens.channel])
        if isinstance(step, Thought):
            self._put([*self.encode("analysis"), self.tokens.message])
            for piece in step.pieces:
                self._put(self.encode(piece.text), learn=piece.learn)
            self._put([self.tokens.end])
        elif isinstance(step, Cell):
            self._put([*self.encode("analysis to=python code"), self.tokens.message, *self.encode(step.code)])
            self._put([self.tokens.call])
            self._put(self.dialect.tool_output(self._cells.run(step.code)), Origin.TOOL)
        elif isinstance(step, Final):
            self._put([*self.encode("final"), self.tokens.message, *self.encode(step.text), self.tokens.return_])
        self._header_open = isinstance(step, Cell)

    def _put(self, ids: list[int], origin: int = Origin.GENERATED, learn: bool = True) -> None:
        self.ids += ids
        self.origin += [origin] * len(ids)
        self.learn += [learn and origin == Origin.GENERATED] * len(ids)
