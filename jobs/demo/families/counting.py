"""Choices, arrangements, and multiples in a range."""

from __future__ import annotations

import random
from math import comb, perm

from jobs.demo.families.base import ITEMS, NAMES, Code, Exercise, Value, family, sized
from jobs.demo.scratchpad import Scratchpad


@family
def counting(rng: random.Random) -> Exercise:
    """Choices, arrangements, and multiples in a range."""
    return rng.choice([_choices, _arrangements, _multiples])(rng)


def _choices(rng: random.Random) -> Exercise:
    k = rng.choice([2, 2, 3])
    n = sized(rng, (4, 9), (8, 20)) if k == 2 else rng.randint(4, 9)

    def solve(pad: Scratchpad) -> int:
        return pad.div(pad.product(list(range(n, n - k, -1))), 2 if k == 2 else 6)

    def check(pad: Scratchpad, found: Value) -> bool:
        value = pad.mul(int(found), 2 if k == 2 else 6)
        return pad.same(pad.div(value, n), (n - 1) * (n - 2) if k == 3 else n - 1)

    name = rng.choice(NAMES)
    texts = [
        f"In how many ways can {k} of {n} {rng.choice(ITEMS)} be chosen?",
        f"How many teams of {k} can be made from {n} people?",
    ]
    if k == 2:
        texts += [
            f"{n} people meet and everyone shakes hands with everyone else. How many handshakes are there?",
            f"{name} marks {n} points on a circle and joins each pair with a line. How many lines are drawn?",
        ]
    code = Code(
        f"from math import comb\nn, k = {n}, {k}",
        "comb(n, k)",
        f"x * {2 if k == 2 else 6} == " + " * ".join(str(n - i) for i in range(k)),
        f"from sympy import binomial\nprint(binomial({n}, {k}))",
    )
    return Exercise("counting", ("choose", n, k), rng.choice(texts), comb(n, k), solve, check, code)


def _arrangements(rng: random.Random) -> Exercise:
    k = rng.choice([2, 3])
    n = rng.randint(4, 20) if k == 2 else rng.randint(4, 9)

    def solve(pad: Scratchpad) -> int:
        return pad.product(list(range(n, n - k, -1)))

    def check(pad: Scratchpad, found: Value) -> bool:
        value = int(found)
        for factor in range(n - k + 1, n + 1):
            if value % factor:
                pad.mod(value, factor)
                return pad.same(value, 1)
            value = pad.div(value, factor)
        return pad.same(value, 1)

    places = "first and second" if k == 2 else "first, second and third"
    text = rng.choice(
        [
            f"{n} runners race. In how many ways can {places} place be taken?",
            f"How many words of {k} different letters can be formed from {n} letters?",
            f"{rng.choice(NAMES)} puts {k} of {n} different {rng.choice(ITEMS)} in a row. How many rows are possible?",
        ]
    )
    code = Code(f"from math import perm\nn = {n}", f"perm(n, {k})", f"x == {' * '.join(str(n - i) for i in range(k))}")
    return Exercise("counting", ("arrange", n, k), text, perm(n, k), solve, check, code)


def _multiples(rng: random.Random) -> Exercise:
    k, high = rng.randint(3, 9), sized(rng, (20, 60), (60, 120))
    low = rng.choice([1, rng.randint(10, high - 5)])
    answer = high // k - (low - 1) // k

    def solve(pad: Scratchpad) -> int:
        upper = pad.div(pad.sub(high, pad.mod(high, k)), k)
        if low == 1:
            return upper
        below = pad.sub(low, 1)
        return pad.sub(upper, pad.div(pad.sub(below, pad.mod(below, k)), k))

    def check(pad: Scratchpad, found: Value) -> bool:
        first, last = -(-low // k) * k, high // k * k
        pad.say(f"from {first} to {last}")
        return pad.same(pad.add(pad.div(pad.sub(last, first), k), 1), int(found))

    text = rng.choice(
        [
            f"How many multiples of {k} are there from {low} to {high}?",
            f"How many of the numbers from {low} to {high} can be divided by {k}?",
            f"Houses {low} to {high} stand in a street. Each house whose number is a multiple of {k} is red. How many "
            f"are?",
        ]
    )
    code = Code(
        f"found = [n for n in range({low}, {high} + 1) if n % {k} == 0]",
        "len(found)",
        f"x == {high} // {k} - ({low} - 1) // {k}",
    )
    return Exercise("counting", ("multiples", low, high, k), text, answer, solve, check, code)
