"""Linear equations, systems of two of them, and sequences."""

from __future__ import annotations

import random

from jobs.demo.families.base import ITEMS, NAMES, Code, Exercise, Value, family, sized
from jobs.demo.scratchpad import Scratchpad


@family
def equation(rng: random.Random) -> Exercise:
    """a x + b = c x + d with a positive solution; c may be 0."""
    x, a = sized(rng, (2, 9), (5, 20), (10, 40)), rng.randint(3, 9)
    c = rng.choice([0, 0, *range(1, a - 1)])
    b = sized(rng, (1, 9), (5, 40)) * rng.choice([1, 1, -1])
    d = (a - c) * x + b
    if d < 0:
        b, d = -b, (a - c) * x - b

    def solve(pad: Scratchpad) -> int:
        right = pad.sub(d, b) if b > 0 else pad.add(d, -b)
        left = pad.sub(a, c) if c else a
        pad.say(f"{left}x = {right}")
        return pad.div(right, left)

    def check(pad: Scratchpad, found: Value) -> bool:
        left = pad.mul(int(found), a)
        left = pad.add(left, b) if b > 0 else pad.sub(left, -b)
        right = pad.add(pad.mul(int(found), c), d) if c else d
        return pad.same(left, right)

    lhs, rhs = f"{a}x {'+' if b > 0 else '-'} {abs(b)}", f"{_times(c, 'x')} + {d}" if c else str(d)
    texts = [
        f"Solve {lhs} = {rhs} for x.",
        f"What is x if {lhs} = {rhs}?",
        f"Find the solution of the equation {lhs} = {rhs}.",
    ]
    if not c:
        change = f"adds {b}" if b > 0 else f"subtracts {-b}"
        texts += [
            f"{rng.choice(NAMES)} thinks of a number, multiplies it by {a}, {change} and gets {d}. What is the number?",
            f"A number is multiplied by {a}. Then {'' if b > 0 else '-'}{abs(b)} is added, which gives {d}. "
            f"Find the number.",
        ]
    code = Code(
        f"a = {a} - {c}\nb = {d} - {b}" if b > 0 else f"a = {a} - {c}\nb = {d} + {-b}",
        "b // a",
        f"{a} * x {'+' if b > 0 else '-'} {abs(b)} == {c} * x + {d}",
        f"from sympy import symbols, solve\nx = symbols('x')\nprint(solve({a}*x {'+' if b > 0 else '-'} {abs(b)} - "
        f"({c}*x + {d}), x)[0])",
    )
    return Exercise("equation", (a, b, c, d), rng.choice(texts), x, solve, check, code)


def _times(n: int, name: str) -> str:
    return name if n == 1 else f"{n}{name}"


@family
def system(rng: random.Random) -> Exercise:
    """x + y = s with x - y = d, or with a x + b y = e; asks for x."""
    y = sized(rng, (2, 9), (5, 25))
    if rng.random() < 0.5:
        return _sum_and_difference(rng, y)
    return _heads_and_legs(rng, y)


def _sum_and_difference(rng: random.Random, y: int) -> Exercise:
    x = y + sized(rng, (1, 9), (5, 30))
    s, d = x + y, x - y

    def solve(pad: Scratchpad) -> int:
        double = pad.add(s, d)
        pad.say(f"2x = {double}")
        return pad.div(double, 2)

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.sub(int(found), pad.sub(s, int(found))), d)

    name, friend = rng.sample(NAMES, 2)
    item = rng.choice(ITEMS)
    text = rng.choice(
        [
            f"If x + y = {s} and x - y = {d}, what is x?",
            f"Two numbers add up to {s} and differ by {d}. What is the larger one?",
            f"{name} and {friend} have {s} {item} together. {name} has {d} more than {friend}. How many {item} does "
            f"{name} have?",
        ]
    )
    code = Code(
        f"double = {s} + {d}",
        "double // 2",
        f"x - ({s} - x) == {d}",
        f"from sympy import symbols, solve\nx, y = symbols('x y')\nprint(solve([x + y - {s}, x - y - {d}], [x, y])[x])",
    )
    return Exercise("system", ("sum", s, d), text, x, solve, check, code)


def _heads_and_legs(rng: random.Random, y: int) -> Exercise:
    x = sized(rng, (2, 9), (5, 20))
    b = rng.randint(1, 5)
    a = b + rng.randint(1, 5)
    s, e = x + y, a * x + b * y

    def solve(pad: Scratchpad) -> int:
        if_all_b = pad.mul(s, b)
        over, step = pad.sub(e, if_all_b), pad.sub(a, b)
        pad.say(f"{step}x = {over}")
        return pad.div(over, step)

    def check(pad: Scratchpad, found: Value) -> bool:
        rest = pad.sub(s, int(found))
        return pad.same(pad.add(pad.mul(int(found), a), pad.mul(rest, b)), e)

    item = rng.choice(ITEMS)
    text = rng.choice(
        [
            f"If x + y = {s} and {a}x + {_times(b, 'y')} = {e}, what is x?",
            f"A shop sold {s} {item}, large ones for {a} dollars and small ones for {b} dollars, and took in {e} "
            f"dollars. How many large ones were sold?",
            f"{s} questions bring either {a} or {b} points. Together they bring {e} points. How many of them bring {a} "
            f"points?",
        ]
    )
    code = Code(
        f"over = {e} - {b} * {s}",
        f"over // ({a} - {b})",
        f"{a} * x + {b} * ({s} - x) == {e}",
        f"from sympy import symbols, solve\nx, y = symbols('x y')\nprint(solve([x + y - {s}, {a}*x + {b}*y - {e}], "
        f"[x, y])[x])",
    )
    return Exercise("system", ("mix", s, a, b, e), text, x, solve, check, code)


@family
def sequence(rng: random.Random) -> Exercise:
    """A term of an arithmetic or geometric sequence, or the sum of an arithmetic one."""
    kind = rng.choice(["term", "term", "sum", "power"])
    if kind == "power":
        return _geometric(rng)
    first, step = sized(rng, (1, 9), (5, 20)), rng.randint(2, 9)
    n = sized(rng, (5, 9), (10, 20)) if kind == "term" else sized(rng, (4, 8), (8, 12))
    last = first + (n - 1) * step
    answer = last if kind == "term" else (first + last) * n // 2

    def solve(pad: Scratchpad) -> int:
        end = pad.add(pad.mul(step, pad.sub(n, 1)), first)
        return end if kind == "term" else pad.div(pad.mul(pad.add(first, end), n), 2)

    def check(pad: Scratchpad, found: Value) -> bool:
        if kind == "term":
            return pad.same(pad.sub(int(found), pad.mul(n - 1, step)), first)
        pairs = pad.div(pad.mul(n, n - 1), 2)
        return pad.same(pad.add(pad.mul(n, first), pad.mul(pairs, step)), int(found))

    shown = ", ".join(str(first + k * step) for k in range(3))
    texts = {
        "term": [
            f"An arithmetic sequence begins {shown}. What is its term number {n}?",
            f"Find term {n} of the sequence {shown}, ...",
            f"{rng.choice(NAMES)} saves {first} dollars in week 1 and {step} dollars more in each week than in the "
            f"week before. How many dollars are saved in week {n}?",
        ],
        "sum": [
            f"What is the sum of the first {n} terms of the arithmetic sequence {shown}, ...?",
            f"Add up the first {n} numbers of {shown}, and so on with equal steps.",
            f"A hall has {n} rows. The first has {first} seats, each further row {step} more. How many seats are "
            f"there?",
        ],
    }[kind]
    code = (
        Code(f"first, step = {first}, {step}", f"first + {n - 1} * step", f"x - {n - 1} * {step} == {first}")
        if kind == "term"
        else Code(
            f"terms = [{first} + k * {step} for k in range({n})]",
            "sum(terms)",
            f"{n} * {first} + {step} * {n} * {n - 1} // 2 == x",
        )
    )
    return Exercise("sequence", (kind, first, step, n), rng.choice(texts), answer, solve, check, code)


def _geometric(rng: random.Random) -> Exercise:
    ratio = rng.choice([2, 2, 3])
    first, n = rng.randint(1, 12), rng.randint(4, 6) if ratio == 2 else rng.randint(3, 4)

    def solve(pad: Scratchpad) -> int:
        return pad.product([first] + [ratio] * (n - 1))

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.mul(pad.product([ratio] * (n - 1)), first), int(found))

    shown = ", ".join(str(first * ratio**k) for k in range(3))
    word = "doubles" if ratio == 2 else "triples"
    text = rng.choice(
        [
            f"A geometric sequence begins {shown}. What is its term number {n}?",
            f"A colony of {first} cells {word} every hour. How many cells are there after {n - 1} hours?",
            f"Each number of the sequence {shown}, ... is {ratio} times the one before. Find term {n}.",
        ]
    )
    code = Code(f"first, ratio = {first}, {ratio}", f"first * ratio ** {n - 1}", f"x / {ratio} ** {n - 1} == {first}")
    return Exercise("sequence", ("power", first, ratio, n), text, first * ratio ** (n - 1), solve, check, code)
