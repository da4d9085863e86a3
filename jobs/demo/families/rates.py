"""Rates, times of day and dates."""

from __future__ import annotations

import random
from fractions import Fraction

from jobs.demo.families.arithmetic import expanded, reduced
from jobs.demo.families.base import NAMES, Code, Exercise, Value, family, sized
from jobs.demo.scratchpad import Scratchpad

_MONTHS = {
    "January": 31, "February": 28, "March": 31, "April": 30, "May": 31, "June": 30,
    "July": 31, "August": 31, "September": 30, "October": 31, "November": 30, "December": 31,
}  # fmt: skip


@family
def rates(rng: random.Random) -> Exercise:
    """Speed and distance, and two workers on one job."""
    return rng.choice([_journey, _together])(rng)


def _journey(rng: random.Random) -> Exercise:
    hours, more = sized(rng, (2, 6), (3, 9)), rng.randint(1, 6)
    speed = sized(rng, (4, 20), (12, 60))
    distance, answer = speed * hours, speed * more

    def solve(pad: Scratchpad) -> int:
        return pad.mul(pad.div(distance, hours), more)

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.mul(int(found), hours), pad.mul(distance, more))

    name = rng.choice(NAMES)
    text = rng.choice(
        [
            f"A train covers {distance} km in {hours} hours. How many km does it cover in {more} hours at the same "
            f"speed?",
            f"{name} fills {distance} boxes in {hours} days. At this rate, how many boxes are filled in {more} days?",
            f"A pump moves {distance} liters in {hours} minutes. How many liters does it move in {more} minutes?",
        ]
    )
    code = Code(f"speed = {distance} // {hours}", f"speed * {more}", f"x * {hours} == {distance} * {more}")
    return Exercise("rates", ("journey", distance, hours, more), text, answer, solve, check, code)


def _together(rng: random.Random) -> Exercise:
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    answer = Fraction(a * b, a + b)

    def solve(pad: Scratchpad) -> Fraction:
        return reduced(pad, pad.mul(a, b), pad.add(a, b))

    def check(pad: Scratchpad, found: Value) -> bool:
        return expanded(pad, Fraction(found), pad.add(a, b), pad.mul(a, b))

    name, friend = rng.sample(NAMES, 2)
    text = rng.choice(
        [
            f"{name} needs {a} hours for a job, {friend} needs {b} hours. How many hours do they need together?",
            f"One pipe fills a tank in {a} hours, another in {b} hours. In how many hours do both fill it?",
        ]
    )
    code = Code(
        f"from fractions import Fraction\nrate = Fraction(1, {a}) + Fraction(1, {b})",
        "1 / rate",
        f"x * ({a} + {b}) == {a} * {b}",
        f"from sympy import Rational\nprint(1 / (Rational(1, {a}) + Rational(1, {b})))",
    )
    return Exercise("rates", ("together", a, b), text, answer, solve, check, code)


@family
def dates(rng: random.Random) -> Exercise:
    """Minutes between two times of a day, and days between two dates of a year that is no leap year."""
    return rng.choice([_minutes, _days])(rng)


def _minutes(rng: random.Random) -> Exercise:
    start = rng.randint(6 * 60, 18 * 60) // 5 * 5
    answer = sized(rng, (10, 55), (60, 300))
    (h, m), (k, n) = divmod(start, 60), divmod(start + answer, 60)

    def solve(pad: Scratchpad) -> int:
        total = pad.mul(pad.sub(k, h), 60)
        return pad.sub(pad.add(total, n), m)

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.add(pad.mul(h, 60), pad.add(m, int(found))), pad.add(pad.mul(k, 60), n))

    name = rng.choice(NAMES)
    text = rng.choice(
        [
            f"How many minutes are there from {h}:{m:02} to {k}:{n:02} on the same day?",
            f"{name} leaves at {h}:{m:02} and arrives at {k}:{n:02}. How many minutes does the trip take?",
            f"A film begins at {h}:{m:02} and ends at {k}:{n:02}. How many minutes long is it?",
        ]
    )
    code = Code(f"start = {h} * 60 + {m}\nend = {k} * 60 + {n}", "end - start", f"{h} * 60 + {m} + x == {k} * 60 + {n}")
    return Exercise("dates", ("minutes", h, m, k, n), text, answer, solve, check, code)


def _days(rng: random.Random) -> Exercise:
    names = list(_MONTHS)
    first = rng.randint(0, 10)
    second = min(11, first + rng.randint(1, 2))
    lengths = list(_MONTHS.values())
    d, e = rng.randint(1, lengths[first]), rng.randint(1, lengths[second])
    passed = lengths[first:second]
    answer = sum(passed) - d + e

    def solve(pad: Scratchpad) -> int:
        for name, length in zip(names[first:second], passed, strict=True):
            pad.say(f"{name} has {length} days")
        total = pad.sub(passed[0], d)
        for length in passed[1:]:
            total = pad.add(total, length)
        return pad.add(total, e)

    def check(pad: Scratchpad, found: Value) -> bool:
        end = int(found)
        end = pad.add(end, d)
        for length in passed:
            end = pad.sub(end, length)
        return pad.same(end, e)

    name = rng.choice(NAMES)
    text = rng.choice(
        [
            f"How many days are there from {names[first]} {d} to {names[second]} {e} of a year that is no leap year?",
            f"{name} leaves on {names[first]} {d} and comes back on {names[second]} {e}, not in a leap year. How many "
            f"days later is that?",
        ]
    )
    code = Code(
        f"from datetime import date\na, b = date(2025, {first + 1}, {d}), date(2025, {second + 1}, {e})",
        "(b - a).days",
        f"{sum(passed)} - {d} + {e} == x",
    )
    return Exercise("dates", (first, d, second, e), text, answer, solve, check, code)
