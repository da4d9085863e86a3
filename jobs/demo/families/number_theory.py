"""Common divisors and multiples, remainders, and the number of divisors."""

from __future__ import annotations

import random
from math import gcd as gcd_of

from jobs.demo.families.base import ITEMS, NAMES, Code, Exercise, Value, family, other, sized
from jobs.demo.scratchpad import Scratchpad


@family
def gcd(rng: random.Random) -> Exercise:
    """The greatest common divisor of two numbers."""
    g = sized(rng, (2, 9), (4, 16))
    p = rng.randint(1, 9)
    a, b = g * p, g * other(rng, 1, 12, p)
    answer = gcd_of(a, b)

    def solve(pad: Scratchpad) -> int:
        return pad.gcd(a, b)

    def check(pad: Scratchpad, found: Value) -> bool:
        g = int(found)
        if a % g or b % g:
            return pad.same(pad.mod(a if a % g else b, g), 0)
        return pad.same(pad.gcd(pad.div(a, g), pad.div(b, g)), 1)

    item = rng.choice(ITEMS)
    text = rng.choice(
        [
            f"What is the greatest common divisor of {a} and {b}?",
            f"Find gcd({a}, {b}).",
            f"A floor of {a} by {b} feet is to be covered with equal square tiles, as large as possible. How many feet "
            f"is the side of a tile?",
            f"{a} {item} and {b} coins are shared out equally, with none left over. At most how many people can there "
            f"be?",
        ]
    )
    code = Code(
        f"from math import gcd\na, b = {a}, {b}",
        "gcd(a, b)",
        f"{a} % x == 0 and {b} % x == 0",
        f"import sympy\nprint(sympy.gcd({a}, {b}))",
    )
    return Exercise("gcd", (a, b), text, answer, solve, check, code)


@family
def lcm(rng: random.Random) -> Exercise:
    """The least common multiple of two numbers."""
    g = rng.choice([1, 2, 3, 4, 5, 6, 8])
    p = rng.randint(1, 7)
    a, b = g * p, g * other(rng, 2, 9, p)
    answer = a * b // gcd_of(a, b)

    def solve(pad: Scratchpad) -> int:
        return pad.mul(a, pad.div(b, pad.gcd(a, b)))

    def check(pad: Scratchpad, found: Value) -> bool:
        value = int(found)
        if value % a or value % b:
            return pad.same(pad.mod(value, a if value % a else b), 0)
        return pad.same(pad.gcd(pad.div(value, a), pad.div(value, b)), 1)

    name, friend = rng.sample(NAMES, 2)
    text = rng.choice(
        [
            f"What is the least common multiple of {a} and {b}?",
            f"Find lcm({a}, {b}).",
            f"One bell rings every {a} minutes, another every {b} minutes. They ring together now. After how many "
            f"minutes do they ring together again?",
            f"{name} swims every {a} days and {friend} every {b} days. Today both do. In how many days does that "
            f"happen next?",
        ]
    )
    code = Code(
        f"from math import gcd\na, b = {a}, {b}",
        "a * b // gcd(a, b)",
        f"x % {a} == 0 and x % {b} == 0",
        f"import sympy\nprint(sympy.lcm({a}, {b}))",
    )
    return Exercise("lcm", (a, b), text, answer, solve, check, code)


@family
def modular(rng: random.Random) -> Exercise:
    """The remainder of a power or of a product plus a number."""
    m = sized(rng, (3, 9), (7, 13))
    if rng.random() < 0.5:
        return _power(rng, m)
    a, b, c = sized(rng, (3, 12), (12, 30)), rng.randint(3, 9), rng.randint(1, 40)

    def solve(pad: Scratchpad) -> int:
        return pad.mod(pad.add(pad.mul(a, b), c), m)

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.mod(pad.add(pad.mul(pad.mod(a, m), pad.mod(b, m)), pad.mod(c, m)), m), int(found))

    item, name = rng.choice(ITEMS), rng.choice(NAMES)
    text = rng.choice(
        [
            f"What is the remainder when {a} * {b} + {c} is divided by {m}?",
            f"Compute ({a} * {b} + {c}) mod {m}.",
            f"{name} has {b} boxes of {a} {item} and {c} single ones, and packs them all into bags of {m}. How many "
            f"{item} do not fill a bag?",
        ]
    )
    code = Code(f"n = {a} * {b} + {c}", f"n % {m}", f"({a} * {b} + {c} - x) % {m} == 0")
    return Exercise("modular", ("sum", a, b, c, m), text, (a * b + c) % m, solve, check, code)


def _power(rng: random.Random, m: int) -> Exercise:
    a, n = rng.randint(2, 12), rng.randint(3, 5)

    def solve(pad: Scratchpad) -> int:
        base = value = pad.mod(a, m) if a >= m else a
        for _ in range(n - 1):
            value = pad.mod(pad.mul(value, base), m)
        return value

    def check(pad: Scratchpad, found: Value) -> bool:
        """Half-way: a^n as the product of two smaller powers."""
        base = a % m
        square = pad.mod(pad.mul(base, base), m)
        value = square
        for _ in range(n // 2 - 1):
            value = pad.mod(pad.mul(value, square), m)
        return pad.same(pad.mod(pad.mul(value, base), m) if n % 2 else value, int(found))

    text = rng.choice(
        [
            f"What is the remainder when {a}^{n} is divided by {m}?",
            f"Compute {a}^{n} mod {m}.",
            f"Find the remainder of {a} to the power {n} on division by {m}.",
        ]
    )
    code = Code(f"base, m = {a}, {m}", f"pow(base, {n}, m)", f"({a} ** {n} - x) % {m} == 0")
    return Exercise("modular", ("power", a, n, m), text, pow(a, n, m), solve, check, code)


@family
def divisors(rng: random.Random) -> Exercise:
    """How many divisors p^a q^b has."""
    p, q = rng.sample([2, 3, 5, 7, 11, 13], 2)
    i, j = rng.randint(1, 4 if p < 4 else 2), rng.randint(0, 3 if q < 4 else 1)
    n = p**i * q**j
    factors = sorted([p] * i + [q] * j)

    def solve(pad: Scratchpad) -> int:
        rest = n
        for factor in factors[:-1]:
            rest = pad.div(rest, factor)
        if not j:
            pad.say(f"{n} = {p}^{i}")
            return pad.add(i, 1)
        pad.say(f"{n} = {p}^{i} * {q}^{j}")
        return pad.mul(i + 1, j + 1)

    def check(pad: Scratchpad, found: Value) -> bool:
        """List the divisors, those of each power of q in turn."""
        listed = sorted(d for d in range(1, n + 1) if n % d == 0)
        pad.say("divisors " + ", ".join(map(str, listed)))
        return pad.same(len(listed), int(found))

    text = rng.choice(
        [
            f"How many positive divisors does {n} have?",
            f"Count the divisors of {n}, with 1 and {n} among them.",
            f"In how many ways can {n} {rng.choice(ITEMS)} be laid out in equal rows? A single row and rows of one "
            f"count.",
        ]
    )
    code = Code(
        f"n = {n}\nfound = [d for d in range(1, n + 1) if n % d == 0]",
        "len(found)",
        f"x == sum({n} % d == 0 for d in range(1, {n} + 1))",
        f"from sympy import divisor_count\nprint(divisor_count({n}))",
    )
    return Exercise("divisors", (n,), text, (i + 1) * (j + 1), solve, check, code)
