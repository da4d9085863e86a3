"""Rectangles, triangles and boxes."""

from __future__ import annotations

import random

from jobs.demo.families.base import NAMES, Code, Exercise, Value, family, sized
from jobs.demo.scratchpad import Scratchpad

_TRIPLES = [(3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29)]


@family
def geometry(rng: random.Random) -> Exercise:
    """Rectangles, triangles and boxes."""
    return rng.choice([_rectangle, _triangle, _right_triangle, _box])(rng)


def _rectangle(rng: random.Random) -> Exercise:
    width, side = rng.randint(2, 12), sized(rng, (3, 12), (10, 30))
    area, around, name = width * side, 2 * (width + side), rng.choice(NAMES)
    kind = rng.choice(["area", "perimeter", "from_area"])
    answer = around if kind != "area" else area

    def solve(pad: Scratchpad) -> int:
        if kind == "area":
            return pad.mul(side, width)
        return pad.mul(pad.add(width, pad.div(area, width) if kind == "from_area" else side), 2)

    def check(pad: Scratchpad, found: Value) -> bool:
        if kind == "area":
            return pad.same(pad.undo(int(found), width), side)
        half = pad.undo(int(found), 2)
        other_side = pad.sub(half, width)
        return pad.same(pad.mul(other_side, width), area) if kind == "from_area" else pad.same(other_side, side)

    texts = {
        "area": [
            f"A rectangle is {width} cm wide and {side} cm long. What is its area in square cm?",
            f"{name} paints a wall of {width} by {side} feet. How many square feet are painted?",
        ],
        "perimeter": [
            f"A rectangle is {width} cm wide and {side} cm long. What is its perimeter in cm?",
            f"{name} puts a fence around a garden of {width} by {side} feet. How many feet long is the fence?",
        ],
        "from_area": [
            f"A rectangle has an area of {area} square cm and is {width} cm wide. What is its perimeter in cm?",
            f"A garden of {area} square feet is {width} feet wide. How many feet long is the fence around it?",
        ],
    }[kind]
    code = {
        "area": Code(f"a, b = {width}, {side}", "a * b", f"x / {width} == {side}"),
        "perimeter": Code(f"a, b = {width}, {side}", "2 * (a + b)", f"x / 2 - {width} == {side}"),
        "from_area": Code(f"a = {width}\nb = {area} // a", "2 * (a + b)", f"(x / 2 - {width}) * {width} == {area}"),
    }[kind]
    return Exercise("geometry", (kind, width, side), rng.choice(texts), answer, solve, check, code)


def _triangle(rng: random.Random) -> Exercise:
    base, height = sized(rng, (2, 12), (8, 20)), 2 * rng.randint(1, 6)
    base, height = (base, height) if rng.random() < 0.5 else (height, base)

    def solve(pad: Scratchpad) -> int:
        return pad.div(pad.mul(base, height), 2)

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.undo(pad.mul(int(found), 2), base), height)

    text = rng.choice(
        [
            f"A triangle has a base of {base} cm and a height of {height} cm. What is its area in square cm?",
            f"What is the area of a triangle with base {base} and height {height}?",
        ]
    )
    code = Code(f"base, height = {base}, {height}", "base * height // 2", f"x * 2 == {base} * {height}")
    return Exercise("geometry", ("triangle", base, height), text, base * height // 2, solve, check, code)


def _right_triangle(rng: random.Random) -> Exercise:
    a, b, c = (side * scale for scale in [rng.randint(1, 3)] for side in rng.choice(_TRIPLES))

    def solve(pad: Scratchpad) -> int:
        square = pad.add(pad.mul(a, a), pad.mul(b, b))
        pad.say(f"{square} = {c} * {c}")
        return c

    def check(pad: Scratchpad, found: Value) -> bool:
        return pad.same(pad.sub(pad.mul(int(found), int(found)), pad.mul(a, a)), b * b)

    text = rng.choice(
        [
            f"The legs of a right triangle are {a} and {b}. How long is the hypotenuse?",
            f"{rng.choice(NAMES)} walks {a} miles north and then {b} miles east. How many miles from the start is that "
            f"in a straight line?",
            f"How long is the diagonal of a rectangle with sides {a} and {b}?",
        ]
    )
    code = Code(
        f"from math import isqrt\ns = {a} ** 2 + {b} ** 2",
        "isqrt(s)",
        f"x ** 2 == {a} ** 2 + {b} ** 2",
        f"from sympy import sqrt\nprint(sqrt({a} ** 2 + {b} ** 2))",
    )
    return Exercise("geometry", ("hypotenuse", a, b), text, c, solve, check, code)


def _box(rng: random.Random) -> Exercise:
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), sized(rng, (2, 9), (8, 12))
    surface = rng.random() < 0.5
    answer = 2 * (a * b + a * c + b * c) if surface else a * b * c

    def solve(pad: Scratchpad) -> int:
        if not surface:
            return pad.product([a, b, c])
        return pad.mul(pad.add(pad.add(pad.mul(a, b), pad.mul(a, c)), pad.mul(b, c)), 2)

    def check(pad: Scratchpad, found: Value) -> bool:
        if not surface:
            return pad.same(pad.undo(pad.undo(int(found), c), b), a)
        around = pad.mul(pad.add(a, b), 2)
        return pad.same(pad.add(pad.mul(around, c), pad.mul(pad.mul(a, b), 2)), int(found))

    what = "surface area in square cm" if surface else "volume in cubic cm"
    text = rng.choice(
        [
            f"A box measures {a} by {b} by {c} cm. What is its {what}?",
            f"What is the {what} of a box with edges of {a}, {b} and {c} cm?",
        ]
    )
    formula = "2 * (a * b + a * c + b * c)" if surface else "a * b * c"
    verify = f"x == 2 * ({a} + {b}) * {c} + 2 * {a} * {b}" if surface else f"x / {c} / {b} == {a}"
    code = Code(f"a, b, c = {a}, {b}, {c}", formula, verify)
    return Exercise("geometry", ("surface" if surface else "volume", a, b, c), text, answer, solve, check, code)
