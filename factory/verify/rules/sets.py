"""Sets of reals: intervals, unions, differences, and the inequalities that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from factory.verify.evaluate import value_of
from factory.verify.exact import Undefined, Unsupported
from factory.verify.nodes import Apply, Bracket, Constant, Node, Number, Relation, Symbol, symbols
from factory.verify.rules.names import is_name

_ZERO = Fraction(0)
_TOLERANCE = 1e-25
_SET_OPERATIONS = ("union", "intersection", "difference")
_RAYS = {"R+": ">", "R-": "<", "R>=0": ">="}
"""The parts of the real line that have names, as comparisons with zero."""
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class NotASet(Exception):
    """The expression describes no set of reals with known ends."""


@dataclass(frozen=True, slots=True)
class RealInterval:
    """An interval with numeric ends (mpmath, possibly infinite); a point where both ends are one closed value."""

    low: Any
    high: Any
    closed_low: bool
    closed_high: bool


def is_set(node: Node) -> bool:
    """Whether an expression can only be meant as a set of reals: a half-open or closed interval, a union, R."""
    match node:
        case Bracket(left, (_, _), right):
            return ((left, right) != ("(", ")") and left in "([]" and right in ")][") or _reaches_infinity(node)
        case Apply(name, _) if name in _SET_OPERATIONS:
            return True
        case Constant(name):
            return name in _RAYS or name in ("R", "R*", "emptyset")
        case _:
            return False


def is_inequality(node: Node) -> bool:
    return isinstance(node, Relation) and set(node.signs) <= {"<", ">", "<=", ">=", "!="}


def pieces(node: Node) -> list[RealInterval]:
    """The set as sorted, disjoint, merged intervals. Raises NotASet."""
    try:
        return _merged(_pieces(node))
    except (Undefined, Unsupported) as error:
        raise NotASet(str(error)) from None


def joined_by_commas(items: tuple[Node, ...]) -> Node | None:
    """`x >= 2, x != 3` and `x < 1, x > 4` as one set; None for a list of anything else.

    A comma means "and" where exceptions or a domain follow. Between two rays it means what says something: "and" where
    they overlap, "or" where they do not.
    """
    named_by = {symbols(item) for item in items}
    if len(named_by) != 1 or len(next(iter(named_by))) != 1 or not all(_constrains(item) for item in items):
        return None
    parts = [i.members[1] if isinstance(i, Relation) and i.signs == ("in",) else i for i in items]
    both = reduce(lambda a, b: Apply("intersection", (a, b)), parts)
    rays = [i for i in items if isinstance(i, Relation) and not set(i.signs) & {"!=", "in"}]
    if len(rays) < 2:
        return both
    if len(items) > 2:
        return None
    either = Apply("union", (parts[0], parts[1]))
    try:
        all_of_both, all_of_either = pieces(both), pieces(either)
    except NotASet:
        return None
    if not all_of_both:
        return either
    return both if all_of_either == [_everything()] else None


def _constrains(node: Node) -> bool:
    return isinstance(node, Relation) and (
        is_inequality(node)
        or (node.signs == ("in",) and isinstance(node.members[0], Symbol) and is_set(node.members[1]))
    )


def same_pieces(one: list[RealInterval], other: list[RealInterval]) -> bool:
    return len(one) == len(other) and all(
        _close(a.low, b.low)
        and _close(a.high, b.high)
        and (a.closed_low, a.closed_high) == (b.closed_low, b.closed_high)
        for a, b in zip(one, other, strict=True)
    )


def _pieces(node: Node) -> list[RealInterval]:
    match node:
        case Bracket("(" | "[" | "]" as left, (low, high), (")" | "]" | "[") as right):
            return [_interval(low, high, left == "[", right == "]")]
        case Bracket("{", items, "}"):
            return [_point(item) for item in items]
        case Constant("R"):
            return [_everything()]
        case Constant("emptyset"):
            return []
        case Constant("R*"):
            return _ray("!=", value_of(Number(_ZERO)))
        case Constant(name) if name in _RAYS:
            return _ray(_RAYS[name], value_of(Number(_ZERO)))
        case Apply("union", (one, other)):
            return _pieces(one) + _pieces(other)
        case Apply("difference", (one, other)):
            return _intersection(_merged(_pieces(one)), _complement(_merged(_pieces(other))))
        case Apply("intersection", (one, other)):
            return _intersection(_merged(_pieces(one)), _merged(_pieces(other)))
        case Relation():
            return _of_inequality(node)
    raise NotASet(type(node).__name__)


def _of_inequality(node: Relation) -> list[RealInterval]:
    """`a < x <= b`, `x > a`, `x != a`, `|x| < a`: the values that the name in it takes."""
    if not is_inequality(node):
        raise NotASet("no inequality")
    found = [i for i, member in enumerate(node.members) if symbols(member)]
    if len(found) != 1 or not is_name(node.members[found[0]]):
        raise NotASet("no bare name between constants")
    position = found[0]
    subject = node.members[position]
    result = [_everything()]
    for index, (left, right) in enumerate(zip(node.members, node.members[1:], strict=False)):
        sign = node.signs[index]
        bound = right if index == position else left
        if index != position:
            sign = _FLIPPED.get(sign, sign)
        if index not in (position, position - 1):
            raise NotASet("a comparison of constants")
        result = _intersection(result, _ray(sign, _end(bound)))
    if isinstance(subject, Apply) and subject.name == "abs" and isinstance(subject.args[0], Symbol):
        return _unfold(result)
    return result


def _unfold(values: list[RealInterval]) -> list[RealInterval]:
    """The x with |x| in `values`."""
    positive = _intersection(values, _ray(">=", value_of(Number(_ZERO))))
    mirrored = [RealInterval(-p.high, -p.low, p.closed_high, p.closed_low) for p in positive]
    return _merged(positive + mirrored)


def _ray(sign: str, bound: Any) -> list[RealInterval]:
    infinity = _infinity()
    match sign:
        case "<" | "<=":
            return [RealInterval(-infinity, bound, False, sign == "<=")]
        case ">" | ">=":
            return [RealInterval(bound, infinity, sign == ">=", False)]
        case _:
            return _complement([RealInterval(bound, bound, True, True)])


def _interval(low: Node, high: Node, closed_low: bool, closed_high: bool) -> RealInterval:
    ends = _end(low), _end(high)
    if ends[0] > ends[1] + _TOLERANCE:
        raise NotASet("ends in the wrong order")
    infinity = _infinity()
    return RealInterval(*ends, closed_low and ends[0] != -infinity, closed_high and ends[1] != infinity)


def _point(node: Node) -> RealInterval:
    value = _end(node)
    return RealInterval(value, value, True, True)


def _end(node: Node) -> Any:
    match node:
        case Constant("oo"):
            return _infinity()
        case Apply("neg", (inner,)):
            return -_end(inner)
        case Apply("+", (Number(value), inner)) if value == 0:
            return _end(inner)
        case _:
            return value_of(node, real=True)


def _everything() -> RealInterval:
    infinity = _infinity()
    return RealInterval(-infinity, infinity, False, False)


def _infinity() -> Any:
    return value_of(Number(_ZERO)) + float("inf")


def _reaches_infinity(node: Bracket) -> bool:
    ends = (Constant("oo"), Apply("neg", (Constant("oo"),)), Apply("+", (Number(_ZERO), Constant("oo"))))
    return any(item in ends for item in node.items)


def _merged(found: list[RealInterval]) -> list[RealInterval]:
    """Sorted by their lower end; pieces that touch or overlap become one."""
    result: list[RealInterval] = []
    for piece in sorted(found, key=lambda p: (p.low, not p.closed_low)):
        if _close(piece.low, piece.high) and not (piece.closed_low and piece.closed_high):
            continue  # empty
        last = result[-1] if result else None
        if last is None or not _touch(last, piece):
            result.append(piece)
            continue
        high, closed = last.high, last.closed_high
        if _close(piece.high, high):
            closed = closed or piece.closed_high
        elif piece.high > high:
            high, closed = piece.high, piece.closed_high
        closed_low = last.closed_low or (_close(piece.low, last.low) and piece.closed_low)
        result[-1] = RealInterval(last.low, high, closed_low, closed)
    return result


def _touch(left: RealInterval, right: RealInterval) -> bool:
    if _close(left.high, right.low):
        return left.closed_high or right.closed_low
    return bool(right.low < left.high)


def _complement(found: list[RealInterval]) -> list[RealInterval]:
    infinity = _infinity()
    gaps: list[RealInterval] = []
    low, closed = -infinity, False
    for piece in found:
        gaps.append(RealInterval(low, piece.low, closed, not piece.closed_low and piece.low != -infinity))
        low, closed = piece.high, not piece.closed_high
    if low != infinity:
        gaps.append(RealInterval(low, infinity, closed, False))
    return [g for g in gaps if g.low < g.high or (g.closed_low and g.closed_high and _close(g.low, g.high))]


def _intersection(one: list[RealInterval], other: list[RealInterval]) -> list[RealInterval]:
    result = []
    for a in one:
        for b in other:
            low, closed_low = _inner_end(a.low, a.closed_low, b.low, b.closed_low, upper=False)
            high, closed_high = _inner_end(a.high, a.closed_high, b.high, b.closed_high, upper=True)
            if (low < high and not _close(low, high)) or (_close(low, high) and closed_low and closed_high):
                result.append(RealInterval(low, high, closed_low, closed_high))
    return _merged(result)


def _inner_end(a: Any, closed_a: bool, b: Any, closed_b: bool, *, upper: bool) -> tuple[Any, bool]:
    if _close(a, b):
        return a, closed_a and closed_b
    return (a, closed_a) if (a < b) == upper else (b, closed_b)


def _close(a: Any, b: Any) -> bool:
    if a == b:
        return True
    scale = max(abs(a), abs(b), 1)
    return bool(scale < float("inf") and abs(a - b) <= _TOLERANCE * scale)
