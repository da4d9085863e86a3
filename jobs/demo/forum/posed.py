"""Problems as people pose them, with the key: their kind, their answer, and what a proof can be converted into."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from jobs.demo.families import FAMILIES, Exercise, latex
from jobs.demo.families.base import ITEMS, NAMES, sized
from jobs.demo.forum.worded import worded
from jobs.demo.scratchpad import Scratchpad

Kind = Literal["open", "proof", "multiple_choice", "binary", "invalid"]
_TERM = r"(?:\\frac\{\d+\}\{\d+\}|\d*[xy]\b|\d+/\d+|\d+)"
_FORMULA = re.compile(rf"(?<![\w$]){_TERM}(?: ?(?:[-+*=^]|\\cdot) ?{_TERM})+")


@dataclass(frozen=True, slots=True)
class Posed:
    """One problem. `answer` is what its solver finds; `working` how, for replies that show it."""

    text: str
    kind: Kind = "open"
    answer: str | None = None
    converted: str | None = None
    working: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of one exercise that share their data. A part's whole text is the stem and its question."""

    stem: str
    questions: list[tuple[str, int]]

    def posed(self) -> list[Posed]:
        return [Posed(f"{self.stem} {question}", answer=str(answer)) for question, answer in self.questions]


def held_back(key: object) -> bool:
    """True for one in ten keys; the same share and the same way as for exercises."""
    return hashlib.blake2b(repr(key).encode(), digest_size=2).digest()[0] < 26


def drawn(rng: random.Random, *, apart: bool) -> Exercise:
    """An exercise from the part that is trained on, or (`apart`) from the part that is not."""
    while True:
        exercise = worded(rng.choice(list(FAMILIES)), rng.getrandbits(32), rng.getrandbits(32))
        if exercise.held_back == apart:
            return exercise


def open_problem(exercise: Exercise, *, formulas: bool) -> Posed:
    """An exercise; with `formulas` its terms and equations stand between dollar signs."""
    pad = Scratchpad(detailed=False)
    exercise.solve(pad)
    working = "".join(piece.text for piece in pad.pieces).strip().replace("\n", ", ")
    text = _FORMULA.sub(lambda match: f"${match[0]}$", exercise.text) if formulas else exercise.text
    return Posed(text, answer=exercise.latex, working=working, family=exercise.family)


def multiple_choice(rng: random.Random, *, apart: bool) -> Posed:
    """An exercise with four options, in one of the usual forms."""
    exercise = drawn(rng, apart=apart)
    values = {Fraction(exercise.answer)}
    unit = Fraction(1, 7) if isinstance(exercise.answer, Fraction) else Fraction(1)
    while len(values) < 4:
        values.add(abs(exercise.answer + rng.choice([-10, -2, -1, 1, 2, 3, 10]) * unit))
    options = [latex(value) for value in rng.sample(sorted(values), 4)]
    form = rng.choice(["({}) {}", "{}) {}", "{}. {}"])
    listed = "  ".join(form.format(letter, option) for letter, option in zip("ABCD", options, strict=True))
    if rng.random() < 0.3:
        listed = "  ".join(f"({number}) {option}" for number, option in enumerate(options, 1))
    return Posed(f"{exercise.text} {listed.replace('  ', rng.choice([' ', ', ']))}", "multiple_choice")


def proof(rng: random.Random, *, apart: bool) -> Posed:
    """A statement to be shown. Some state a result that could be asked for instead."""
    while True:
        text, converted = rng.choice(_PROOFS)(rng)
        if held_back(text) == apart:
            return Posed(f"{rng.choice(_SHOW)} {text}", "proof", converted=converted)


def binary(rng: random.Random, *, apart: bool) -> Posed:
    """A question that yes or no, true or false answers."""
    while True:
        text = rng.choice(_BINARY)(rng)
        if held_back(text) == apart:
            return Posed(text, "binary")


def invalid(rng: random.Random, *, apart: bool) -> Posed:
    """A problem that misses what it speaks of: a picture, a table, another exercise."""
    while True:
        text = rng.choice(_INVALID)(rng)
        if held_back(text) == apart:
            return Posed(text, "invalid")


def parts(rng: random.Random, *, apart: bool) -> Parts:
    while True:
        made = rng.choice(_PARTS)(rng)
        if held_back(made.stem) == apart:
            return made


_SHOW = [
    "Prove that",
    "Show that",
    "Prove:",
    "Verify that",
    "Justify that",
    "Give a proof that",
    "How does one prove that",
]


def _proof_about_numbers(rng: random.Random) -> tuple[str, str | None]:
    a, n, m = rng.randint(2, 12), rng.randint(3, 9), rng.randint(3, 13)
    c, d = rng.randint(4, 60), rng.randint(4, 60)
    exercise = worded("divisors", rng.getrandbits(32), 0)
    (number,) = exercise.key
    pair = worded("gcd", rng.getrandbits(32), 0)
    return rng.choice(
        [
            (
                f"the remainder when {a}^{n} is divided by {m} is {pow(a, n, m)}.",
                f"What is the remainder when {a}^{n} is divided by {m}?",
            ),
            (
                f"{number} has exactly {exercise.answer} positive divisors.",
                f"How many positive divisors does {number} have?",
            ),
            (
                f"the greatest common divisor of {pair.key[0]} and {pair.key[1]} is {pair.answer}.",
                f"What is the greatest common divisor of {pair.key[0]} and {pair.key[1]}?",
            ),
            (f"the sum of {c} and {d} is at least twice the root of {c * d}.", None),
        ]
    )


def _proof_of_a_law(rng: random.Random) -> tuple[str, str | None]:
    k, p, n = rng.randint(2, 30), rng.choice([2, 3, 5, 7, 11, 13, 17]), rng.randint(2, 40)
    return rng.choice(
        [
            (f"the sum of any {2 * k + 1} consecutive integers is divisible by {2 * k + 1}.", None),
            (f"$\\sqrt{{{p}}}$ is irrational.", None),
            (f"$n^{p} - n$ is divisible by {p} for every integer $n$.", None),
            (f"the product of {k} consecutive integers is a multiple of {k}.", None),
            (f"among any {n + 1} integers there are two whose difference is divisible by {n}.", None),
            (f"there are infinitely many primes greater than {n}.", None),
            (f"the equation $x^2 + y^2 = {4 * k + 3}$ has no solution in integers.", None),
            (f"a triangle with sides {3 * k}, {4 * k} and {5 * k} has a right angle.", None),
        ]
    )


_PROOFS: list[Callable[[random.Random], tuple[str, str | None]]] = [_proof_about_numbers, _proof_of_a_law]


def _yes_or_no(rng: random.Random) -> str:
    a, b, n = rng.randint(20, 400), rng.randint(2, 19), rng.randint(11, 300)
    c, d, e, f = (rng.randint(1, 9) for _ in range(4))
    name = rng.choice(NAMES)
    return rng.choice(
        [
            f"Is {n} a prime number?",
            f"Is {a} divisible by {b}?",
            f"Is {c}/{c + d} greater than {e}/{e + f}?",
            f"Can {a} {rng.choice(ITEMS)} be shared out equally among {b} people?",
            f"Does the equation {b}x = {a} have a solution in integers?",
            f"Is {n} a perfect square, yes or no?",
            f"{name} says that {a} and {n} have no common divisor but 1. Is {name} right?",
            f"Is there a right triangle with sides {c}, {d + 3} and {e + 5}?",
        ]
    )


def _true_or_false(rng: random.Random) -> str:
    a, b, n = rng.randint(20, 400), rng.randint(2, 19), rng.randint(2, 60)
    return rng.choice(["True or false: ", "True or false? ", "Decide whether this is true or false: "]) + rng.choice(
        [
            f"{a} is a multiple of {b}.",
            f"every number below {n} has fewer than {b} divisors.",
            f"the sum of {n} odd numbers is odd.",
            f"a number that {b} and {n} divide is divisible by {b * n}.",
            f"{a} is larger than {b}^2.",
        ]
    )


_BINARY: list[Callable[[random.Random], str]] = [_yes_or_no, _yes_or_no, _true_or_false]


def _without_picture(rng: random.Random) -> str:
    a, b, n = rng.randint(2, 40), rng.randint(2, 40), rng.randint(3, 20)
    where = rng.choice(["in the picture", "in the figure", "in the diagram", "in the drawing", "in the sketch above"])
    shape = rng.choice(["triangle", "rectangle", "circle", "square", "garden", "kite"])
    return rng.choice(
        [
            f"Find the area of the shaded {shape} {where}, where the long side is {a} cm.",
            f"What is the length of the side marked x {where}? The other sides are {a} and {b}.",
            f"The {shape} {where} has a side of {a} cm. What is its perimeter?",
            f"How many triangles are there {where} with {n} lines?",
            f"What is the angle at the point {rng.choice('PQRS')} {where} if its neighbour has {a + 20} degrees?",
        ]
    )


def _without_data(rng: random.Random) -> str:
    a, n = rng.randint(2, 40), rng.randint(3, 20)
    table = rng.choice(["the table below", "the table above", "the list on the board", "the chart", "the graph"])
    last = rng.choice(
        ["the last exercise", f"exercise {n}", "the first part", "the example of the lecture", "the book"]
    )
    return rng.choice(
        [
            f"Use {table} to find the mean of the {n} scores.",
            f"How many {rng.choice(ITEMS)} were sold on day {n} according to {table}?",
            f"Find f({a}) for the function f from {last}.",
            f"What is the sum of the first {n} terms of the sequence from {last}?",
            f"How much larger than {a} is the number from {last}?",
        ]
    )


_INVALID: list[Callable[[random.Random], str]] = [_without_picture, _without_data]


def _rectangle(rng: random.Random) -> Parts:
    a, b = sized(rng, (2, 12), (10, 40)), sized(rng, (3, 12), (10, 30))
    questions = [("What is its area in square cm?", a * b), ("What is its perimeter in cm?", 2 * (a + b))]
    return Parts(f"A rectangle is {a} cm wide and {b} cm long.", rng.sample(questions, 2))


def _terms(rng: random.Random) -> Parts:
    first, step = sized(rng, (1, 9), (5, 20)), rng.randint(2, 9)
    shown = ", ".join(str(first + k * step) for k in range(3))
    numbers = rng.sample(range(5, 21), rng.choice([2, 2, 3]))
    asked = [(f"What is its term number {n}?", first + (n - 1) * step) for n in numbers]
    return Parts(f"An arithmetic sequence begins {shown}.", asked)


def _journey(rng: random.Random) -> Parts:
    hours, speed = sized(rng, (2, 6), (3, 9)), sized(rng, (4, 20), (12, 60))
    more = rng.sample([n for n in range(1, 10) if n != hours], rng.choice([2, 2, 3]))
    thing, verb, unit, time = rng.choice([("train", "cover", "km", "hours"), ("pump", "move", "liters", "minutes")])
    tail = " at the same speed" if thing == "train" else ""
    asked = [(f"How many {unit} does it {verb} in {n} {time}{tail}?", speed * n) for n in more]
    return Parts(f"A {thing} {verb}s {speed * hours} {unit} in {hours} {time}.", asked)


def _prices(rng: random.Random) -> Parts:
    price = rng.randint(3, 60) * 20
    less, more = (5 * rng.randint(1, 12) for _ in range(2))
    asked = [
        (f"What is {less}% of it in dollars?", price * less // 100),
        (f"What is the price in dollars after it goes up by {more}%?", price * (100 + more) // 100),
        (f"What is the price in dollars after it is reduced by {less}%?", price * (100 - less) // 100),
    ]
    return Parts(f"A price is {price} dollars.", rng.sample(asked, 2))


_PARTS: list[Callable[[random.Random], Parts]] = [_rectangle, _terms, _journey, _prices]
