"""Where two expressions are compared: points chosen from what stands in them.

A function that is analytic between its breaks is known there by any small neighbourhood, so what tells two expressions
apart is decided piece by piece. The breaks of an expression are where the argument of an absolute value, a sign, an
even root or a logarithm is zero, where two arguments of a maximum or minimum meet, and where the argument of a floor, a
ceiling or a quotient of a modulus is whole. Points lie on, just beside and far from each of them, along every symbol;
joint points give each symbol both signs, zero, small and large magnitudes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from factory.verify.evaluate import value_of
from factory.verify.exact import Undefined, Unsupported, exact
from factory.verify.nodes import Apply, Bracket, Node, Number, Relation, symbols

Point = Mapping[str, Fraction]
MAX_BREAKS = 12
"""Expressions with more breaks than this are not settled by points."""
_PRIME = 1_048_573
_RUN = (*range(25), *range(-1, -8, -1), 30, 35, 36, 59, 60, 97, 100, 101, -12, -60, -101, 210, 997, 2310)
"""Whole numbers for a single symbol: all residues of small moduli, both signs, some far away."""
_SMALL = (2, 3, 1, 5, 4, 0, 7, 6, -1, 9, 8, -2, 12, 10, -5, 15, 24, -12, 31, 100)
_WHOLE_TARGETS = (0, 1, -1, 2, 7, -6, 100)
_GRID = tuple(
    sorted(Fraction(s * k, 97) for s in (-1, 1) for k in (3, 40, 130, 250, 500, 900, 2000, 5000, 20_000, 90_000))
)
_MAX_ROOTS = 6
_ASIDE = (Fraction(0), Fraction(1, 64), Fraction(-1, 64), Fraction(5, 7), Fraction(-5, 7), Fraction(9), Fraction(-9))


def joint_points(names: Sequence[str], whole: frozenset[str]) -> list[Point]:
    """Points for all symbols at once: first all positive, then one negative each, then every mixture of shapes."""
    if len(names) == 1 and names[0] in whole:
        return [{names[0]: Fraction(k)} for k in _RUN]
    points: list[Point] = [{name: _positive(name, j, whole) for name in names} for j in range(3)]
    for negative in names[:6]:
        points += [
            {name: -value if name == negative else value for name, value in point.items()} for point in points[:2]
        ]
    for j in range(3 * len(_SHAPES)):
        points.append({name: _shaped(name, j, whole) for name in names})
    return points


def is_axis(point: Point) -> bool:
    """Whether no two symbols are negative at once: where the domains of two expressions are compared."""
    return sum(value < 0 for value in point.values()) <= 1


def break_points(nodes: Sequence[Node], names: Sequence[str], whole: frozenset[str]) -> list[Point] | None:
    """Points on and around every break of the expressions, along each symbol; None if there are too many breaks."""
    found = list(dict.fromkeys(b for node in nodes for b in breaks(node)))
    if len(found) > MAX_BREAKS:
        return None
    points: list[Point] = []
    for j, (argument, targets) in enumerate(found):
        base = {name: _positive(name, j, whole) for name in names}
        for name in sorted(symbols(argument) & set(names)):
            for place in _solved(argument, targets, name, base):
                points += [{**base, name: value} for value in _around(place, name in whole)]
    if len(names) == 1:
        points += _between(points, names[0], whole)
    return points


def breaks(node: Node) -> Iterator[tuple[Node, tuple[int, ...]]]:
    """(argument, the values of it at which the expression changes its law), for every part of a tree."""
    match node:
        case Apply(("abs" | "sgn" | "sqrt" | "log" | "ln"), (inner, *_)):
            yield from ((factor, (0,)) for factor in _factors(inner))
        case Apply("root", (inner, degree)) if (k := exact_or_none(degree)) is None or k % 2 == 0:
            yield from ((factor, (0,)) for factor in _factors(inner))
        case Apply("^", (base, exponent)) if (k := exact_or_none(exponent)) is None or k.denominator != 1:
            yield from ((factor, (0,)) for factor in _factors(base))
        case Apply("max" | "min", args):
            yield from ((Apply("+", (a, Apply("neg", (b,)))), (0,)) for a, b in pairwise(args))
        case Apply("floor" | "ceil", (inner,)):
            yield inner, _WHOLE_TARGETS
        case Apply("mod", (inner, modulus)):
            yield Apply("/", (inner, modulus)), _WHOLE_TARGETS
        case Relation(members, _):
            yield from ((Apply("+", (a, Apply("neg", (b,)))), (0,)) for a, b in pairwise(members))
    match node:
        case Apply(_, parts) | Bracket(_, parts, _) | Relation(parts, _):
            for part in parts:
                yield from breaks(part)


def exact_or_none(node: Node) -> Fraction | None:
    try:
        return exact(node)
    except (Undefined, Unsupported):
        return None


def _factors(node: Node) -> Iterator[Node]:
    """What a product, quotient or power vanishes with: `(x-1)^2` touches zero at 1 and never changes its sign."""
    match node:
        case Apply("*" | "/", args):
            for arg in args:
                yield from _factors(arg)
        case Apply("^", (base, _)) | Apply("neg" | "abs" | "sqrt", (base,)):
            yield from _factors(base)
        case Number():
            return
        case _:
            yield node


def _solved(argument: Node, targets: tuple[int, ...], name: str, base: Point) -> list[Fraction]:
    """Values of one symbol at which an argument takes a target, the others fixed: exact if it is linear in it."""

    def value(place: Fraction) -> Any:
        at = {**base, name: place}
        try:
            found = exact(argument, at)
            return value_of(argument, at, digits=15, real=True) if found is None else found
        except (Undefined, Unsupported):
            return None

    at_0, at_1, at_2 = value(Fraction(0)), value(Fraction(1)), value(Fraction(2))
    if all(isinstance(v, Fraction) for v in (at_0, at_1, at_2)) and at_2 - at_1 == at_1 - at_0:
        return [(target - at_0) / (at_1 - at_0) for target in targets] if at_1 != at_0 else []
    values = [value(place) for place in _GRID]
    roots = []
    for (a, left), (b, right) in pairwise(zip(_GRID, values, strict=True)):
        if left is not None and right is not None:
            crossed = [t for t in targets if (left < t) != (right < t)]
            roots += [_bisected(value, t, a, b, left < t) for t in crossed[:2]]
    return roots[:_MAX_ROOTS]


def _bisected(value: Any, target: int, low: Fraction, high: Fraction, rising: bool) -> Fraction:
    for _ in range(20):
        middle = (low + high) / 2
        found = value(middle)
        if found is None:
            break
        if (found < target) == rising:
            low = middle
        else:
            high = middle
    return Fraction(round(low * _PRIME), _PRIME)


def _around(place: Fraction, whole: bool) -> list[Fraction]:
    if whole:
        floor = place.numerator // place.denominator
        return [Fraction(floor + k) for k in (0, 1, -1, 2, 9, -9)]
    return [place + aside for aside in _ASIDE]


def _between(points: list[Point], name: str, whole: frozenset[str]) -> list[Point]:
    """With one symbol, the middle of every gap between break points, so that no piece is left out."""
    places = sorted({point[name] for point in points})
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    if name in whole:
        middles = [Fraction(m.numerator // m.denominator) for m in middles]
    return [{name: middle} for middle in middles]


_SHAPES = (
    (1, 3), (-3, -1), (0, 1), (-1, 0), (3, 10), (-10, -3), (0, 0), (10, 100), (-100, -10), (100, 2000), (-2000, -100),
    (Fraction(1, 2000), Fraction(1, 1000)),
)  # fmt: skip
"""Ranges that every symbol visits."""


@lru_cache(maxsize=4096)
def _shaped(name: str, j: int, whole: frozenset[str]) -> Fraction:
    """The symbol's value at joint point j; within a round of shapes every symbol meets each shape once."""
    place = _order(name, j // len(_SHAPES))[j % len(_SHAPES)]
    if name in whole:
        return Fraction(_SMALL[(place + len(_SHAPES) * (j // len(_SHAPES))) % len(_SMALL)])
    low, high = _SHAPES[place]
    return low + (high - low) * Fraction(_drawn(name, str(j)) % _PRIME, _PRIME)


@lru_cache(maxsize=1024)
def _order(name: str, turn: int) -> list[int]:
    return sorted(range(len(_SHAPES)), key=lambda k: _drawn(name, f"{turn}/{k}"))


def _positive(name: str, j: int, whole: frozenset[str]) -> Fraction:
    draw = _drawn(name, f"positive {j}")
    if name in whole:
        return Fraction(1 + draw % 9)
    return Fraction(1, 3) + Fraction(3 * (draw % _PRIME), _PRIME)


@lru_cache(maxsize=65_536)
def _drawn(name: str, purpose: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{name}@{purpose}".encode(), digest_size=7).digest(), "big")
