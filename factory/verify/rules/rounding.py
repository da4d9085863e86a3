"""Decimals that stand for an exact value which they round or truncate, as far as the policy goes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce

from factory.recipe import EquivalencePolicy
from factory.verify.evaluate import value_of
from factory.verify.exact import Undefined, Unsupported, exact
from factory.verify.identity import same_value
from factory.verify.nodes import Apply, Constant, Node, Number, symbols

_DOUBLE_DIGITS = 15
"""Digits that binary arithmetic gets right: what comes after them is noise."""
_MAX_TERMS = 30
_ONE = Number(Fraction(1))


def is_rounded(gold: Node, prediction: Node, policy: EquivalencePolicy) -> bool:
    """Whether two values or expressions that differ are the same but for the rounding of decimals in them."""
    if policy.rounded_digits is None:
        return False
    if not symbols(gold) and not symbols(prediction) and _is_rounded_value(gold, prediction, policy):
        return True
    return policy.rounded_coefficients and _are_rounded_terms(gold, prediction, policy)


def are_different_integers(gold: Node, prediction: Node) -> bool:
    """Whether both are written as plain integers, with or without a sign, that no convention makes the same."""
    one, other = _decimal(gold), _decimal(prediction)
    if one is None or other is None or one.ulp is not None or other.ulp is not None:
        return False
    return one.value != other.value


def _is_rounded_value(gold: Node, prediction: Node, policy: EquivalencePolicy) -> bool:
    """Whether one side is a decimal with enough digits that rounds or truncates the other side's exact value."""
    one, other = _decimal(gold), _decimal(prediction)
    try:
        return _rounds(one, other, prediction, policy) or _rounds(other, one, gold, policy)
    except (Undefined, Unsupported):
        return False


def _rounds(literal: Number | None, other: Number | None, exact_side: Node, policy: EquivalencePolicy) -> bool:
    """Whether `literal` stands for the value of `exact_side`; `other` is that side if it is a literal too."""
    if literal is None or literal.ulp is None or literal.digits < (policy.rounded_digits or 0):
        return False
    finer = other.ulp if other is not None and literal.digits < _DOUBLE_DIGITS else None
    # two decimals are both meant as written, but for the noise of binary arithmetic, or where the policy says so
    if finer is not None and (policy.rounded_sides == "one" or literal.ulp < finer):
        return False
    value = value_of(exact_side)
    written, ulp = value_of(literal), value_of(Number(literal.ulp))
    difference = abs(value - written)
    is_truncated = difference < ulp and abs(written) <= abs(value)
    is_noise = literal.digits >= _DOUBLE_DIGITS and difference <= abs(written) * 4 / 10**_DOUBLE_DIGITS
    return bool(difference * 2 <= ulp or is_truncated or is_noise)


def _decimal(node: Node) -> Number | None:
    """A decimal literal, with its sign; None for every other expression."""
    match node:
        case Number():
            return node
        case Apply("neg", (Number(value, digits, ulp),)):
            return Number(-value, digits, ulp)
        case Apply("*", (Number(value, digits, ulp), Apply("^", (Number(base), power)))) if base == 10 and ulp:
            exponent = exact(power)
            if exponent is not None and exponent.denominator == 1 and abs(exponent) < 400:
                scale = Fraction(10) ** int(exponent)
                return Number(value * scale, digits, ulp * scale)
    return None


def _are_rounded_terms(gold: Node, prediction: Node, policy: EquivalencePolicy) -> bool:
    """Whether two sums have the same terms but for the rounding of their coefficients: `0.3333x + 1` and `x/3 + 1`."""
    one, other = _terms(gold), _terms(prediction)
    if len(one) != len(other) or len(one) > _MAX_TERMS:
        return False
    for factor, coefficient in one:
        partner = next((i for i, (f, _) in enumerate(other) if f == factor or same_value(f, factor)), None)
        if partner is None:
            return False
        match_of_it = other.pop(partner)[1]
        if not same_value(coefficient, match_of_it) and not _is_rounded_value(coefficient, match_of_it, policy):
            return False
    return True


def _terms(node: Node) -> list[tuple[Node, Node]]:
    """A sum as (what is multiplied, its coefficient): symbols, pi, e and i are multiplied, all else is coefficient."""
    terms: list[tuple[Node, Node]] = []
    for term in _summands(node):
        factor, coefficient = _split(term)
        place = next((i for i, (f, _) in enumerate(terms) if f == factor), None)
        if place is None:
            terms.append((factor, coefficient))
        else:
            terms[place] = (factor, Apply("+", (terms[place][1], coefficient)))
    return terms


def _summands(node: Node) -> Iterator[Node]:
    match node:
        case Apply("+", args):
            for arg in args:
                yield from _summands(arg)
        case Apply("neg", (inner,)):
            yield from (_negated(term) for term in _summands(inner))
        case _:
            yield node


def _negated(node: Node) -> Node:
    match node:
        case Apply("neg", (inner,)):
            return inner
        case _:
            return Apply("neg", (node,))


def _split(term: Node) -> tuple[Node, Node]:
    """(factor, coefficient) of one term."""
    if not _has_name(term):
        return _ONE, term
    match term:
        case Apply("neg", (inner,)):
            factor, coefficient = _split(inner)
            return factor, _negated(coefficient)
        case Apply("*", args):
            parts = [_split(arg) for arg in args]
            return _product([f for f, _ in parts]), _product([c for _, c in parts])
        case Apply("/", (over, under)):
            (factor, coefficient), (factor_under, coefficient_under) = _split(over), _split(under)
            return _quotient(factor, factor_under), _quotient(coefficient, coefficient_under)
        case _:
            return term, _ONE


def _product(nodes: list[Node]) -> Node:
    kept = [node for node in nodes if node != _ONE]
    return reduce(lambda a, b: Apply("*", (a, b)), kept) if kept else _ONE


def _quotient(over: Node, under: Node) -> Node:
    return over if under == _ONE else Apply("/", (over, under))


def _has_name(node: Node) -> bool:
    """Whether a symbol, pi, e or i stands in an expression."""
    if isinstance(node, Constant):
        return True
    return bool(symbols(node)) or (isinstance(node, Apply) and any(_has_name(arg) for arg in node.args))
