"""Equations and inequalities that are answers themselves, not names for a value."""

from __future__ import annotations

from fractions import Fraction

from factory.verify.identity import constant_ratio, same_value
from factory.verify.nodes import Apply, Node, Number, Relation, Symbol, symbols
from factory.verify.result import Equivalence, undecided
from factory.verify.rules.solutions import same_signs, same_zeros

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def compare_relations(gold: Relation, prediction: Relation) -> Equivalence:
    """Two relations: the same chain of values, or (with one sign each) one a multiple of the other.

    `a < b` and `c < d` are the same condition where (a - b) / (c - d) is a positive constant; for an equation any
    constant but zero does. Where there is none, points decide at which one relation holds and the other does not.
    """
    one, other = _upward(gold), _upward(prediction)
    if one.signs == other.signs and len(one.members) == len(other.members):
        same = [same_value(a, b) for a, b in zip(one.members, other.members, strict=True)]
        if all(same):
            return Equivalence(True, "relation")
    if one.signs == other.signs == ("==",):
        return _congruences(one, other)
    if one.signs == ("=",) and other.signs == ("=",) and set(map(_key, one.members)) == set(map(_key, other.members)):
        return Equivalence(True, "relation")
    if len(one.signs) == 1 and len(other.signs) == 1:
        return _proportional(one, other)
    if len(one.signs) != len(other.signs):
        return undecided("relations of different length")
    return Equivalence(False, "relation")


def compare_residues(gold: Node, prediction: Node) -> Equivalence | None:
    """`3 (mod 5)` against another residue, or against `x == 8 (mod 5)`; None if neither is a bare residue."""
    if not any(isinstance(side, Apply) and side.name == "pmod" for side in (gold, prediction)):
        return None
    residues = [
        side.members[1]
        if isinstance(side, Relation) and side.signs == ("==",) and isinstance(side.members[0], Symbol)
        else side
        for side in (gold, prediction)
    ]
    return _same_residues(residues[0], residues[1])


def _congruences(one: Relation, other: Relation) -> Equivalence:
    """`x == 8 (mod 5)` and `x == 3 (mod 5)`: one unknown, one modulus, residues that it does not tell apart."""
    if one.members[0] != other.members[0]:
        return undecided("congruence")
    return _same_residues(one.members[1], other.members[1])


def _same_residues(one: Node, other: Node) -> Equivalence:
    match one, other:
        case Apply("pmod", (a, m)), Apply("pmod", (b, n)):
            if not same_value(m, n):
                return Equivalence(False, "congruence")
            difference = Apply("mod", (Apply("+", (a, Apply("neg", (b,)))), m))
            same = same_value(difference, Number(Fraction(0)))
            return Equivalence(same, "congruence") if same is not None else undecided("congruence")
        case _:
            return undecided("congruence")


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
    if factor is not None:
        return Equivalence(factor > 0 or sign in ("=", "!="), "relation")
    same = same_zeros(left, right) if sign in ("=", "!=") else same_signs(left, right)
    return Equivalence(same, "solutions") if same is not None else undecided("relations that are no multiples")


def _difference(node: Relation) -> Node:
    return Apply("+", (node.members[0], Apply("neg", (node.members[1],))))


def _constant_factor(left: Node, right: Node) -> int | None:
    """The sign of c where left = c * right for a constant c other than 0; None if there is no such c."""
    ratio = constant_ratio(left, right)
    return None if ratio is None or ratio == 0 else (1 if ratio > 0 else -1)
