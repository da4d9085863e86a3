"""Equations and inequalities that are answers themselves, not names for a value."""

from __future__ import annotations

from factory.verify.evaluate import constant_ratio, same_value
from factory.verify.nodes import Apply, Node, Relation, symbols
from factory.verify.verdict import Equivalence, undecided

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def compare_relations(gold: Relation, prediction: Relation) -> Equivalence:
    """Two relations: the same chain of values, or (with one sign each) one a multiple of the other.

    `a < b` and `c < d` are the same condition where (a - b) / (c - d) is a positive constant; a negative constant turns
    the sign around, and for an equation any constant but zero does.
    """
    one, other = _upward(gold), _upward(prediction)
    if one.signs == other.signs and len(one.members) == len(other.members):
        same = [same_value(a, b) for a, b in zip(one.members, other.members, strict=True)]
        if all(same):
            return Equivalence(True, "relation")
    if one.signs == ("=",) and other.signs == ("=",) and set(map(_key, one.members)) == set(map(_key, other.members)):
        return Equivalence(True, "relation")
    if len(one.signs) == 1 and len(other.signs) == 1:
        return _proportional(one, other)
    if len(one.signs) != len(other.signs):
        return undecided("relations of different length")
    return Equivalence(False, "relation")


def _key(node: Node) -> str:
    return repr(node)


def _upward(node: Relation) -> Relation:
    """The chain read so that its first order sign points up."""
    first = next((sign for sign in node.signs if sign in ("<", "<=", ">", ">=")), None)
    if first not in (">", ">="):
        return node
    return Relation(node.members[::-1], tuple(_FLIPPED.get(sign, sign) for sign in reversed(node.signs)))


def _proportional(one: Relation, other: Relation) -> Equivalence:
    sign = one.signs[0]
    if sign != other.signs[0]:
        return Equivalence(False, "relation")
    if sign not in ("=", "!=", "<", "<="):
        return Equivalence(False, "relation")
    left, right = _difference(one), _difference(other)
    if symbols(left) != symbols(right):
        return Equivalence(False, "relation") if symbols(left) and symbols(right) else undecided("relation")
    factor = _constant_factor(left, right)
    if factor is None:
        # two equations of one variable can have the same solutions without being multiples of each other
        return undecided("relations that are no multiples of each other")
    return Equivalence(factor > 0 or sign in ("=", "!="), "relation")


def _difference(node: Relation) -> Node:
    return Apply("+", (node.members[0], Apply("neg", (node.members[1],))))


def _constant_factor(left: Node, right: Node) -> int | None:
    """The sign of c where left = c * right for a constant c other than 0; None where there is no such c."""
    ratio = constant_ratio(left, right)
    return None if ratio is None or ratio == 0 else (1 if ratio > 0 else -1)
