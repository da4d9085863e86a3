"""One answer in the many ways in which people write it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from jobs.demo.families import latex

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_WORDS = dict(enumerate(_ONES.split())) | {30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 100: "one hundred"}
UNITS = ["dollars", "cm", "km", "hours", "minutes", "people", "ways", "points", "liters", "days", "pens", "square feet"]
TAILS = ["left", "more", "are left", "to go", "\\checkmark"]
"""What people add behind a number; rules that compare answers don't know whether it changes the value."""
_NAMES = ["x", "n", "y", "a"]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as it stands there, and its values plainly: reduced and in order."""

    text: str
    plain: str


def written(values: Sequence[Fraction], rng: random.Random, unit: str) -> Written:
    """The values in some order and notation, a single one now and then with the unit."""
    plain = ", ".join(str(value) for value in sorted(values))
    shown = [_number(value, rng) for value in rng.sample(list(values), len(values))]
    if len(shown) > 1:
        name = f"{rng.choice(_NAMES)} = " if rng.random() < 0.4 else ""
        link = rng.choice([", ", ", ", " and ", " or "])
        text = link.join(f"{name}{one}" for one in shown)
        return Written(rng.choice([f"\\{{{text}\\}}", f"${text}$", text]) if not name else text, plain)
    decorations: list[Callable[[str], str]] = [
        str,
        str,
        lambda text: f"${text}$",
        lambda text: f"{rng.choice(_NAMES)} = {text}",
        lambda text: f"{text} {unit}",
        lambda text: f"{text} \\text{{ {unit}}}",
        lambda text: f"the number {text}",
        lambda text: f"{text} {rng.choice(TAILS)}",
    ]
    return Written(rng.choice(decorations)(shown[0]), plain)


def other_value(value: Fraction, rng: random.Random) -> Fraction:
    """A value that is wrong: one off, a digit off, doubled, upside down."""
    while True:
        off = Fraction(rng.choice([1, 1, 2, 3, 5, 7, 10, 20, 100]))
        others = [value + off, value - off, value * 2, value / 2]
        if value.denominator > 1:
            others += [Fraction(value.denominator, value.numerator) if value else off, value + off / value.denominator]
            others += [Fraction(value.numerator, value.denominator + rng.randint(1, 3))]
        other = rng.choice(others)
        if other != value and (value.denominator > 1 or other.denominator == 1):
            return other


def unfinished(value: Fraction, rng: random.Random) -> Written:
    """What is no answer yet, or no exact one."""
    a, b = rng.randint(2, 40), rng.randint(2, 40)
    text = rng.choice(
        [f"{a} {rng.choice('+-*')} {b}", f"about {value}", f"{value}?", f"{value} or so", f"\\frac{{{a}", "x"]
    )
    return Written(text, "unclear")


def _number(value: Fraction, rng: random.Random) -> str:
    if value.denominator == 1:
        number = int(value)
        if number in _WORDS and rng.random() < 0.12:
            return _WORDS[number]
        return f"{number}.0" if rng.random() < 0.06 else str(number)
    a, b, sign = abs(value.numerator), value.denominator, "-" if value < 0 else ""
    forms = [latex(value), latex(value), f"{sign}{a}/{b}", f"{sign}\\dfrac{{{a}}}{{{b}}}"]
    if a < 10 and b < 10:
        forms += [f"{sign}\\frac{a}{b}", f"{sign}\\tfrac{a}{b}"]
    if a < 20 and b < 20:
        k = rng.randint(2, 3)
        forms += [f"{sign}\\frac{{{k * a}}}{{{k * b}}}"]
    if a < b and 1000 % b == 0 and b <= 25:
        decimal = f"{sign}{a / b:.3f}".rstrip("0")
        forms += [decimal, decimal, decimal.replace("0.", ".", 1)]
        forms += [f"{sign}{100 * a // b}%"] if 100 * a % b == 0 else []
    return rng.choice(forms)
