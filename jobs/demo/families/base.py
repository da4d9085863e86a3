"""What a family of exercises is: a function from a random source to an `Exercise` that knows how it is solved."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from jobs.demo.scratchpad import Scratchpad

Value = int | Fraction
Key = tuple[int | str, ...]

NAMES = ["Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo"]
ITEMS = ["pens", "books", "apples", "cups", "tickets", "stamps", "balls", "cards"]


@dataclass(frozen=True, slots=True)
class Code:
    """Python for an exercise: statements that lead to `result`, and an expression over `x` that is true of it alone."""

    setup: str
    result: str
    verify: str
    sympy: str | None = None
    """A whole cell of its own that shows the result by way of sympy."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One problem. `solve` and `check` do their arithmetic on a scratchpad; `check` tells whether a value holds."""

    family: str
    key: Key
    text: str
    answer: Value
    solve: Callable[[Scratchpad], Value]
    check: Callable[[Scratchpad, Value], bool]
    code: Code

    @property
    def held_back(self) -> bool:
        """True for one in ten parameter choices, whatever the wording: these are never trained on."""
        return hashlib.blake2b(repr((self.family, self.key)).encode(), digest_size=2).digest()[0] < 26

    @property
    def latex(self) -> str:
        return latex(self.answer)


Family = Callable[[random.Random], Exercise]
FAMILIES: dict[str, Family] = {}


def family(draw: Family) -> Family:
    """Register a family under its function's name."""
    FAMILIES[draw.__name__] = draw
    return draw


def latex(value: Value) -> str:
    """An answer as it stands in the box: `12`, `-3`, or `\\frac{3}{7}`."""
    if isinstance(value, int) or value.denominator == 1:
        return str(int(value))
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def sized(rng: random.Random, *ranges: tuple[int, int]) -> int:
    """A number from one of the ranges, easy to hard, each equally likely: the spread of difficulty."""
    return rng.randint(*rng.choice(ranges))


def other(rng: random.Random, low: int, high: int, *taken: int) -> int:
    """A number from the range that is none of `taken`."""
    return rng.choice([n for n in range(low, high + 1) if n not in taken])
