"""Chains of operations, shopping, fractions, percentages and averages."""

from __future__ import annotations

import random
from fractions import Fraction

from jobs.demo.families.base import ITEMS, NAMES, Code, Exercise, Value, family, sized
from jobs.demo.scratchpad import Scratchpad

_STEPS = {"+": "add {}", "-": "subtract {}", "*": "multiply by {}"}


@family
def chain(rng: random.Random) -> Exercise:
    """A number sent through two or three operations."""
    start = value = sized(rng, (2, 12), (5, 30), (20, 60))
    steps: list[tuple[str, int]] = []
    for _ in range(rng.randint(2, 3)):
        sign = rng.choice("+-*" if value < 120 else "+-")
        n = rng.randint(2, 9) if sign == "*" else sized(rng, (2, 12), (10, 49))
        if sign == "-" and n >= value:
            sign = "+"
        steps.append((sign, n))
        value = _apply(None, sign, value, n)

    def solve(pad: Scratchpad) -> int:
        x = start
        for sign, n in steps:
            x = _apply(pad, sign, x, n)
        return x

    def check(pad: Scratchpad, found: Value) -> bool:
        x = int(found)
        for sign, n in reversed(steps):
            x = pad.sub(x, n) if sign == "+" else pad.add(x, n) if sign == "-" else pad.undo(x, n)
        return pad.same(x, start)

    told = [_STEPS[sign].format(n) for sign, n in steps]
    text = rng.choice(
        [
            f"Start with {start}, {', '.join(told[:-1])} and {told[-1]}. What is the result?",
            f"Take the number {start}. Then {', then '.join(told)}. What do you get?",
            f"{rng.choice(NAMES)} writes down {start}. The next steps are: {', '.join(told)}. Which number comes out?",
            f"What number do we reach from {start} if we {', '.join(told[:-1])}, and finally {told[-1]}?",
        ]
    )
    code = "".join(f"\nv = v {sign} {n}" for sign, n in steps)
    back = "x"
    for sign, n in reversed(steps):
        back = f"({back} {'-' if sign == '+' else '+' if sign == '-' else '/'} {n})"
    verify = f"{back[1:-1]} == {start}"
    key = (start, *(part for step in steps for part in step))
    return Exercise("chain", key, text, value, solve, check, Code(f"v = {start}{code}", "v", verify))


def _apply(pad: Scratchpad | None, sign: str, a: int, b: int) -> int:
    if pad is None:
        return a + b if sign == "+" else a - b if sign == "-" else a * b
    return {"+": pad.add, "-": pad.sub, "*": pad.mul}[sign](a, b)


@family
def shopping(rng: random.Random) -> Exercise:
    """Two purchases and the change."""
    n, m = sized(rng, (2, 5), (3, 9)), sized(rng, (2, 5), (3, 9))
    p, q = sized(rng, (2, 9), (6, 25)), sized(rng, (2, 9), (6, 15))
    cost = n * p + m * q
    paid = cost + rng.randint(1, 40)
    paid = -(-paid // 10) * 10 if rng.random() < 0.5 else paid
    name, (one, two) = rng.choice(NAMES), rng.sample(ITEMS, 2)

    def solve(pad: Scratchpad) -> int:
        return pad.sub(paid, pad.add(pad.mul(n, p), pad.mul(m, q)))

    def check(pad: Scratchpad, found: Value) -> bool:
        rest = pad.sub(paid, pad.mul(p, n))
        return pad.same(pad.sub(rest, int(found)), pad.mul(q, m))

    text = rng.choice(
        [
            f"{name} buys {n} {one} at {p} dollars each and {m} {two} at {q} dollars each, and pays with {paid} "
            f"dollars. How many dollars of change are due?",
            f"{n} {one} cost {p} dollars each, {m} {two} cost {q} dollars each. {name} has {paid} dollars and buys "
            f"them all. How many dollars are left?",
            f"With {paid} dollars in hand, {name} pays for {n} {one} ({p} dollars each) and {m} {two} ({q} dollars "
            f"each). How much money remains?",
        ]
    )
    code = Code(f"cost = {n} * {p} + {m} * {q}", f"{paid} - cost", f"x + cost == {paid}")
    return Exercise("shopping", (n, p, m, q, paid), text, paid - cost, solve, check, code)


@family
def fractions(rng: random.Random) -> Exercise:
    """The sum, difference or product of two fractions."""
    top = rng.choice([5, 7, 9])
    b, d = rng.randint(2, top), rng.randint(2, top)
    a, c = rng.randint(1, b - 1), rng.randint(1, d - 1)
    sign = rng.choice("++-*")
    if sign == "-" and a * d <= c * b:
        sign = "+"
    answer = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__}[sign](Fraction(a, b), Fraction(c, d))

    def solve(pad: Scratchpad) -> Fraction:
        if sign == "*":
            numerator = pad.mul(a, c)
        else:
            left, right = pad.mul(a, d), pad.mul(c, b)
            numerator = pad.add(left, right) if sign == "+" else pad.sub(left, right)
        return reduced(pad, numerator, pad.mul(b, d))

    def check(pad: Scratchpad, found: Value) -> bool:
        value = Fraction(found)
        wanted = a * c if sign == "*" else a * d + c * b if sign == "+" else a * d - c * b
        pad.say(f"unreduced {wanted}/{b * d}")
        return expanded(pad, value, b * d, wanted)

    word = {"+": "sum", "-": "difference", "*": "product"}[sign]
    shown = "\\cdot" if sign == "*" else sign
    text = rng.choice(
        [
            f"Compute \\frac{{{a}}}{{{b}}} {shown} \\frac{{{c}}}{{{d}}} as a reduced fraction.",
            f"What is the {word} of {a}/{b} and {c}/{d}? Give a fraction in lowest terms.",
            f"Find {a}/{b} {sign} {c}/{d} and reduce the result.",
        ]
    )
    f = f"Fraction({a}, {b}) {sign} Fraction({c}, {d})"
    sympy = f"from sympy import Rational\nprint(Rational({a}, {b}) {sign} Rational({c}, {d}))"
    code = Code(f"from fractions import Fraction\nf = {f}", "f", f"x == {f}", sympy)
    return Exercise("fractions", (a, b, sign, c, d), text, answer, solve, check, code)


def expanded(pad: Scratchpad, value: Fraction, denominator: int, numerator: int) -> bool:
    """Whether `value` is numerator/denominator, seen by expanding it to that denominator."""
    if denominator % value.denominator:
        return pad.same(pad.mod(denominator, value.denominator), 0)
    return pad.same(pad.mul(value.numerator, pad.div(denominator, value.denominator)), numerator)


def reduced(pad: Scratchpad, numerator: int, denominator: int) -> Fraction:
    divisor = pad.gcd(numerator, denominator)
    if divisor > 1:
        numerator, denominator = pad.div(numerator, divisor), pad.div(denominator, divisor)
    pad.say(f"{numerator}/{denominator}")
    return Fraction(numerator, denominator)


@family
def percent(rng: random.Random) -> Exercise:
    """A percentage of a whole, or a whole changed by a percentage."""
    unit, parts = sized(rng, (2, 10), (5, 15), (12, 30)), rng.choice([p for p in range(1, 20) if p != 10])
    whole, rate = unit * 20, parts * 5
    kind = rng.choice(["of", "of", "less", "more"])
    share = unit * parts
    answer = {"of": share, "less": whole - share, "more": whole + share}[kind]

    def solve(pad: Scratchpad) -> int:
        pad.say(f"{rate}% = {parts}/20")
        found = pad.mul(pad.div(whole, 20), parts)
        return found if kind == "of" else pad.sub(whole, found) if kind == "less" else pad.add(whole, found)

    def check(pad: Scratchpad, found: Value) -> bool:
        """By the other part of the whole, or by what the new whole is made of."""
        twentieth = pad.div(whole, 20)
        if kind == "of":
            return pad.same(pad.add(int(found), pad.mul(twentieth, pad.sub(20, parts))), whole)
        kept = pad.sub(20, parts) if kind == "less" else pad.add(20, parts)
        return pad.same(pad.mul(twentieth, kept), int(found))

    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    texts = {
        "of": [
            f"What is {rate}% of {whole}?",
            f"{name} has {whole} {item}, and {rate}% of them are new. How many {item} are new?",
            f"In a town of {whole} people, {rate} percent take the bus. How many people is that?",
        ],
        "less": [
            f"A price of {whole} dollars is reduced by {rate}%. What is the new price in dollars?",
            f"{name} had {whole} {item} and gave away {rate}% of them. How many {item} are left?",
        ],
        "more": [
            f"A price of {whole} dollars goes up by {rate}%. What is the new price in dollars?",
            f"Last year {name} owned {whole} {item}; this year the number grew by {rate}%. How many {item} is that "
            f"now?",
        ],
    }
    share_code = f"share = {whole} * {rate} // 100"
    result = {"of": "share", "less": f"{whole} - share", "more": f"{whole} + share"}[kind]
    total = {"of": rate, "less": 100 - rate, "more": 100 + rate}[kind]
    code = Code(share_code, result, f"x * 100 == {whole} * {total}")
    return Exercise("percent", (kind, whole, rate), rng.choice(texts[kind]), answer, solve, check, code)


@family
def average(rng: random.Random) -> Exercise:
    """The mean of three or four numbers, or the missing number for a given mean."""
    n = rng.randint(3, 4)
    top = rng.choice([12, 20, 40])
    numbers = [rng.randint(2, top) for _ in range(n - 1)]
    last = rng.choice([k for k in range(2, top + n + 2) if (sum(numbers) + k) % n == 0])
    mean = (sum(numbers) + last) // n
    missing = rng.random() < 0.4
    given = numbers if missing else [*numbers, last]

    def total(pad: Scratchpad, values: list[int]) -> int:
        found = values[0]
        for value in values[1:]:
            found = pad.add(found, value)
        return found

    def solve(pad: Scratchpad) -> int:
        if missing:
            return pad.sub(pad.mul(mean, n), total(pad, given))
        return pad.div(total(pad, given), n)

    def check(pad: Scratchpad, found: Value) -> bool:
        if missing:
            return pad.same(total(pad, [int(found), *reversed(given)]), pad.mul(n, mean))
        return pad.same(total(pad, list(reversed(given))), pad.mul(int(found), n))

    shown, name = ", ".join(map(str, given)), rng.choice(NAMES)
    texts = (
        [
            f"The mean of {n} numbers is {mean}. All but one of them are {shown}. What is the missing number?",
            f"{name} wants an average of {mean} over {n} tests. The first scores are {shown}. What must the last one "
            f"be?",
        ]
        if missing
        else [
            f"Find the average of {shown}.",
            f"{name} scored {shown} points in {n} games. What is the mean score?",
            f"What is the arithmetic mean of the numbers {shown}?",
        ]
    )
    values = f"values = [{shown}]"
    code = (
        Code(values, f"{mean} * {n} - sum(values)", f"sum(values) + x == {mean} * {n}")
        if missing
        else Code(values, f"sum(values) // {n}", f"x * {n} == sum(values)")
    )
    key = ("missing" if missing else "mean", mean, *given)
    return Exercise("average", key, rng.choice(texts), last if missing else mean, solve, check, code)
