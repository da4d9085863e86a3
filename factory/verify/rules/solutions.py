"""Tell two equations or inequalities apart, or find them the same, by where they hold: numeric, at chosen points."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, pairwise
from operator import ge, gt, le, lt, ne
from typing import Any

from factory.verify.evaluate import coordinate, value_of
from factory.verify.exact import Undefined, Unsupported
from factory.verify.nodes import Apply, Node, Number, Relation, Symbol, symbols
from factory.verify.rules.sets import RealInterval

_GRID = [Fraction(k, 4) + Fraction(1, 97) for k in range(-26, 27)]
_SCALES = (Fraction(1), Fraction(1, 8), Fraction(6), Fraction(40))
_TRIALS = 6
_WANTED = 4
_DIGITS = 30
_STEPS = 40
_FAR, _NEAR = 1000, 1e-12
_ZERO_NEAR = 1e-18


def same_zeros(one: Node, other: Node) -> bool | None:
    """Whether two expressions in two or more unknowns vanish at the same points.

    False is proof: a zero of one at which the other is far from zero. True means that several zeros of each, on
    different lines through the plane, are zeros of the other. None if no zeros were found, or with one unknown,
    where a few zeros prove nothing.
    """
    names = sorted(symbols(one) | symbols(other))
    if not names or len(names) > 4:
        return None
    checked = []
    for left, right in ((one, other), (other, one)):
        verdicts = [_vanishes(right, zero) for zero in islice(_zeros(left, names), _WANTED)]
        if False in verdicts:
            return False
        checked.append(len([v for v in verdicts if v]))
    return True if len(names) > 1 and min(checked) >= _WANTED - 1 else None


def same_signs(one: Node, other: Node) -> bool | None:
    """False if two expressions have different signs at some point; None if no such point was found."""
    names = sorted(symbols(one) | symbols(other))
    for trial in range(9):
        for scale in _SCALES:
            at = {name: coordinate(name, trial) * scale for name in names}
            try:
                values = [value_of(side, at, digits=_DIGITS, real=True) for side in (one, other)]
            except (Undefined, Unsupported):
                continue
            if values[0] * values[1] < 0:
                return False
    return None


def solved_by(equation: Relation, name: str, values: list[Node]) -> bool | None:
    """Whether `values` are the solutions of a polynomial equation in one unknown, over the complex numbers.

    False if one is none, unless it is a rounded decimal. True if each is one and there are as many as the degree.
    None if there are fewer (the others may not be real, or be multiple roots), or the equation is no polynomial.
    """
    difference = Apply("+", (equation.members[0], Apply("neg", (equation.members[1],))))
    roots: list[Any] = []
    for value in values:
        try:
            root = value_of(value, digits=_DIGITS)
            if abs(value_of(difference, {name: root}, digits=_DIGITS)) > _ZERO_NEAR * max(1, abs(root)) ** 6:
                return None if _is_rounded(value) else False
        except (Undefined, Unsupported):
            return None
        if all(abs(root - known) > _NEAR * max(1, abs(root)) for known in roots):
            roots.append(root)
    degree = _degree(difference, name)
    return True if degree and len(roots) == degree else None


def _is_rounded(node: Node) -> bool:
    match node:
        case Number():
            return node.ulp is not None
        case Apply(_, args):
            return any(_is_rounded(arg) for arg in args)
        case _:
            return False


def _degree(node: Node, name: str) -> int | None:
    """A bound on the degree of a polynomial in one symbol; None for what is written as none."""
    if name not in symbols(node):
        return 0
    match node:
        case Symbol():
            return 1
        case Apply("+", args):
            degrees = [_degree(arg, name) for arg in args]
            return None if None in degrees else max(d for d in degrees if d is not None)
        case Apply("*", args):
            degrees = [_degree(arg, name) for arg in args]
            return None if None in degrees else sum(d for d in degrees if d is not None)
        case Apply("neg", (inner,)):
            return _degree(inner, name)
        case Apply("/", (inner, under)) if name not in symbols(under):
            return _degree(inner, name)
        case Apply("^", (inner, Number(power))) if power.denominator == 1 and 0 < power < 100:
            degree = _degree(inner, name)
            return None if degree is None else degree * int(power)
        case _:
            return None


def holds_on(relation: Relation, name: str, found: list[RealInterval]) -> bool | None:
    """Whether a relation in one unknown holds on a set of reals and nowhere else, by points close to the set's ends.

    Each end is approached to 1e-12 from both sides, and many points lie between and beyond the ends. None if the
    relation cannot be evaluated.
    """
    ends = sorted({end for piece in found for end in (piece.low, piece.high) if abs(end) < _FAR})
    between = [(a + b) / 2 for a, b in pairwise([-_FAR, *ends, _FAR])] if ends else [0]
    spread = [value_of(Number(coordinate(name, trial) * scale)) for trial in range(12) for scale in (*_SCALES, 300)]
    points = [*ends, *between, *(end + side * _NEAR for end in ends for side in (-1, 1)), *spread]
    outcomes = [(_holds(relation, {name: point}), _contains(found, point)) for point in points]
    if any(holds is None for holds, _ in outcomes):
        return None
    return all(holds == inside for holds, inside in outcomes)


def _holds(relation: Relation, at: dict[str, Any]) -> bool | None:
    values = [_value(member, at) for member in relation.members]
    if None in values:
        return None
    tests = {"<": lt, "<=": le, ">": gt, ">=": ge, "!=": ne}
    outcome = True
    for sign, (left, right) in zip(relation.signs, pairwise(values), strict=True):
        close = abs(left - right) < 1e-20 * max(1, abs(left))
        outcome = outcome and (sign in ("<=", ">=") if close else tests[sign](left, right))
    return outcome


def _contains(found: list[RealInterval], point: Any) -> bool:
    return any(
        (p.low < point < p.high) or (point == p.low and p.closed_low) or (point == p.high and p.closed_high)
        for p in found
    )


def _zeros(node: Node, names: list[str]) -> Iterator[dict[str, Any]]:
    """Points where an expression changes sign through zero, along lines parallel to the axes."""
    for trial in range(_TRIALS):
        unknown = names[trial % len(names)]
        at: dict[str, Any] = {name: coordinate(name, trial) for name in names}
        previous: tuple[Any, Any] | None = None
        for place in _GRID:
            value = _value(node, {**at, unknown: place})
            if value is None:
                previous = None
                continue
            if previous is not None and previous[1] * value < 0:
                zero = _narrowed(node, at, unknown, previous[0], place)
                if zero is not None:
                    yield zero
                    break
            previous = (place, value)


def _narrowed(node: Node, at: dict[str, Any], unknown: str, low: Any, high: Any) -> dict[str, Any] | None:
    """The zero between two places of different sign, by false position with the Illinois step."""
    low, high = value_of(Number(low)), value_of(Number(high))
    left, right = _value(node, {**at, unknown: low}), _value(node, {**at, unknown: high})
    for _ in range(_STEPS):
        if left is None or right is None or left == right:
            return None
        middle = (low * right - high * left) / (right - left)
        value = _value(node, {**at, unknown: middle})
        if value is None:
            return None
        if abs(value) < 1e-20:
            return {**at, unknown: middle}
        if (value < 0) != (right < 0):
            low, left = high, right
        else:
            left = left / 2
        high, right = middle, value
    point = {**at, unknown: high}
    return point if _vanishes(node, point) else None  # else a pole, not a zero


def _vanishes(node: Node, at: dict[str, Any]) -> bool | None:
    value = _value(node, at)
    return None if value is None else bool(abs(value) < 1e-9)


def _value(node: Node, at: dict[str, Any]) -> Any:
    try:
        return value_of(node, at, digits=_DIGITS, real=True)
    except (Undefined, Unsupported):
        return None
