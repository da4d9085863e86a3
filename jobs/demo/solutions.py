"""How an exercise is solved in each mode, with Python and without: the script that a trace follows.

Low answers at once. Medium writes its working. High works by place value, checks the result by another way and, where
the check fails, works again; some of its traces carry a planted slip, so that this is learnt too. With Python, low
calls it right away, medium says so first and may take two cells, high checks the value in a cell of its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from factory.records import Mode
from jobs.demo.families import Exercise
from jobs.demo.scratchpad import Derailed, Piece, Scratchpad

SLIP_RATE = 0.15
"""Share of the high traces without Python that carry a planted slip."""

_SLIPS = [1, -1, 2, 10, -10, 100]
_CLOSING = ["The answer is {}.", "So the answer is {}."]


@dataclass(frozen=True, slots=True)
class Thought:
    """A message in the analysis channel."""

    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Cell:
    """A call of the Python tool."""

    code: str


@dataclass(frozen=True, slots=True)
class Final:
    """What the reader is told."""

    text: str


Step = Thought | Cell | Final


def solution(exercise: Exercise, mode: Mode, tool: bool, rng: random.Random) -> list[Step]:
    """The messages of one trace, in order; a `Cell` is followed by its output."""
    steps = _python(exercise, mode, rng) if tool else _by_hand(exercise, mode, rng)
    box = f"\\boxed{{{exercise.latex}}}"
    return [*steps, Final(box if mode is Mode.LOW else rng.choice(_CLOSING).format(box))]


def _by_hand(exercise: Exercise, mode: Mode, rng: random.Random) -> list[Step]:
    if mode is Mode.LOW:
        return []
    if mode is Mode.MEDIUM:
        pad = Scratchpad(detailed=False)
        exercise.solve(pad)
        return [_thought(pad.pieces)]
    slipped = _slipped(exercise, rng) if rng.random() < SLIP_RATE else None
    return [_thought(slipped or _checked(exercise)[0])]


def _checked(exercise: Exercise, slip: tuple[int, int] | None = None) -> tuple[list[Piece], bool, int]:
    """Working and check: the text, whether the check holds, and the number of operations worked."""
    pad = Scratchpad(detailed=True, slip=slip)
    value = exercise.solve(pad)
    worked = pad.operations
    pad.say("Check")
    holds = exercise.check(pad, value)
    return pad.pieces, holds, worked


def _slipped(exercise: Exercise, rng: random.Random) -> list[Piece] | None:
    """Working with a slip, the check that finds it, and the working again; None where no check finds it."""
    right, _, worked = _checked(exercise)
    try:
        wrong, holds, _ = _checked(exercise, (rng.randrange(worked), rng.choice(_SLIPS)))
    except (Derailed, ValueError, ZeroDivisionError):
        return None
    return None if holds else [*wrong, Piece("Wrong, so again\n"), *right]


def _python(exercise: Exercise, mode: Mode, rng: random.Random) -> list[Step]:
    code = exercise.code
    shown = f"print({code.result})"
    if mode is Mode.HIGH:
        return [
            _thought([Piece("I let Python compute this, then check it.\n")]),
            Cell(f"{code.setup}\nx = {code.result}\nprint(x)"),
            _thought([Piece("Now the check.\n")]),
            Cell(f"print({code.verify})"),
            _thought([Piece("The check holds.\n")]),
        ]
    cells = [f"{code.setup}\n{shown}"]
    style = rng.random()
    if style < 0.25 and code.sympy:
        cells = [code.sympy]
    elif style < 0.5 and isinstance(exercise.answer, int):
        cells = [f"{code.setup}\n{code.result}"]
    elif style < 0.75 and mode is Mode.MEDIUM and (name := _last_name(code.setup)):
        cells = [f"{code.setup}\n{name}", shown]
    plan: list[Step] = [_thought([Piece("I let Python compute this.\n")])] if mode is Mode.MEDIUM else []
    return plan + [Cell(cell) for cell in cells]


def _last_name(setup: str) -> str | None:
    """The variable that the last statement assigns, where it is a single one."""
    name = setup.splitlines()[-1].partition(" = ")[0]
    return name if name.isidentifier() else None


def _thought(pieces: list[Piece]) -> Thought:
    """A message without the newline at its end."""
    *head, last = pieces
    trimmed = [Piece(last.text.rstrip("\n"), last.learn)] if last.text.rstrip("\n") else []
    return Thought([*head, *trimmed])
