"""Single values: numbers, expressions, decimals that round, percent and degree signs, units, ratios, bases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from factory.recipe import EquivalencePolicy
from factory.verify.identity import same_value, sameness
from factory.verify.nodes import (
    Apply,
    Bracket,
    Constant,
    Listing,
    Node,
    Number,
    RadixNumber,
    Relation,
    Symbol,
    Words,
    symbols,
)
from factory.verify.result import Equivalence, undecided
from factory.verify.rules.quantities import compare_quantities
from factory.verify.rules.rounding import is_rounded
from factory.verify.rules.times import compare_times
from factory.verify.words import says_another_kind

_NUMERIC_CONSTANTS = ("pi", "e", "i", "oo", "...")
NUMBER_SETS = frozenset({"R", "Z", "N", "Q", "C", "Z+", "Z-", "Z>=0", "R+", "R-", "R>=0", "R*", "Q+", "emptyset"})


def compare_values(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    """Two single values; ends every comparison that no rule for a structure took."""
    if gold == prediction:
        return Equivalence(True, "same_tree")

    def again(a: Node, b: Node) -> Equivalence:
        return compare_values(a, b, policy)

    if (verdict := _based(gold, prediction)) is not None:
        return verdict
    if (verdict := compare_times(gold, prediction)) is not None:
        return verdict
    if (verdict := compare_quantities(gold, prediction, policy, again)) is not None:
        return verdict
    for rule in (_percents, _degrees, _ratios):
        if (verdict := rule(gold, prediction, policy)) is not None:
            return verdict
    return _numbers(gold, prediction, policy)


def _numbers(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    if any(isinstance(side, Constant) and side.name not in _NUMERIC_CONSTANTS for side in (gold, prediction)):
        return _named_sets(gold, prediction)
    mixtures = [side for side in (gold, prediction) if is_mixture(side)]
    if mixtures:
        is_read = len(mixtures) == 1 and all(says_another_kind(text) for text in _words_in(mixtures[0]))
        return Equivalence(False, "kind") if is_read else undecided("words or brackets inside an expression")
    infinite = [_infinity(side) for side in (gold, prediction)]
    if any(infinite):
        return Equivalence(infinite[0] == infinite[1], "infinity")
    if _is_reversed_pair(gold, prediction):
        return undecided("two letters in another order")
    found = sameness(gold, prediction)
    same = found.equal
    method = "expression" if symbols(gold) or symbols(prediction) else "number"
    if same is None:
        return undecided(found.how or "no value")
    if not same and is_rounded(gold, prediction, policy):
        return Equivalence(True, "rounded")
    if not same and _same_to_base_ten(gold, prediction):
        return undecided("log may be the decimal logarithm")
    detail = "for whole numbers" if found.how == "whole numbers" else ""
    return Equivalence(same, method, detail)


def _is_reversed_pair(gold: Node, prediction: Node) -> bool:
    """`RL` and `LR`: moves or a product? Neighbours in the alphabet (`PQ`) name a segment, without order."""
    match gold, prediction:
        case Apply("*", (Symbol(a), Symbol(b))), Apply("*", (Symbol(c), Symbol(d))):
            capitals = len(a) == len(b) == 1 and a.isupper() and b.isupper()
            return capitals and (a, b) == (d, c) and abs(ord(a) - ord(b)) > 1
        case _:
            return False


def _same_to_base_ten(gold: Node, prediction: Node) -> bool:
    """Whether logarithms that name no base, read as decimal ones, make two values equal."""
    one, other = _to_base_ten(gold), _to_base_ten(prediction)
    return (one, other) != (gold, prediction) and sameness(one, other).equal is True


def _to_base_ten(node: Node) -> Node:
    match node:
        case Apply("log", (value,)):
            return Apply("log", (_to_base_ten(value), Number(Fraction(10))))
        case Apply(name, args):
            return Apply(name, tuple(_to_base_ten(arg) for arg in args))
        case _:
            return node


def _named_sets(gold: Node, prediction: Node) -> Equivalence:
    """Number sets by name. Whether the naturals hold zero is a convention, which only a reader of the problem knows."""
    if gold == prediction:
        return Equivalence(True, "set")
    if any(is_mixture(side) for side in (gold, prediction)):
        return undecided("words or brackets inside an expression")
    names = {side.name for side in (gold, prediction) if isinstance(side, Constant)}
    if "N" in names and names & {"Z+", "Z>=0"}:
        return undecided("whether zero is a natural number")
    unread = [name for name in names if name not in NUMBER_SETS]
    return undecided("a set by name") if unread and len(names) > 1 else Equivalence(False, "set")


def is_mixture(node: Node) -> bool:
    """Whether words, brackets or matrices stand inside an expression: no single value, whatever it means."""
    match node:
        case Apply(_, args):
            return any(is_mixture(arg) for arg in args)
        case Words() | Bracket() | Relation() | Listing():
            return True
        case _:
            return False


def _words_in(node: Node) -> Iterator[str]:
    match node:
        case Words(text):
            yield text
        case Apply(_, args) | Bracket(_, args, _) | Listing(args, _) | Relation(args, _):
            for arg in args:
                yield from _words_in(arg)


def _infinity(node: Node) -> int:
    match node:
        case Constant("oo"):
            return 1
        case Apply("neg", (Constant("oo"),)):
            return -1
        case Apply("+", (Number(value), Constant("oo"))) if value == 0:
            return 1
        case _:
            return 0


def _based(gold: Node, prediction: Node) -> Equivalence | None:
    """`204_5`: equal digits in one base, or equal values in two written bases. A missing base cannot be guessed."""
    if not (isinstance(gold, RadixNumber) or isinstance(prediction, RadixNumber)):
        return None
    values = [_in_base(side) for side in (gold, prediction) if isinstance(side, RadixNumber)]
    if None in values:
        return undecided("digits that the base does not have")
    if len(values) == 2:
        return Equivalence(values[0] == values[1], "base")
    based, bare = (gold, prediction) if isinstance(gold, RadixNumber) else (prediction, gold)
    assert isinstance(based, RadixNumber)
    if based.base == 10 and isinstance(bare, Number):
        return Equivalence(bare.value == values[0], "base")
    as_decimal = Fraction(based.digits) if re.fullmatch(r"\d+(?:\.\d+)?", based.digits) else None
    if isinstance(bare, Number) and bare.value in (values[0], as_decimal):
        return undecided("one side names a base, the other does not")
    return Equivalence(False, "base")


def _in_base(number: RadixNumber) -> Fraction | None:
    """The value, with places after a point and digits above nine in either case; None for a digit out of range."""
    whole, _, places = number.digits.partition(".")
    try:
        return Fraction(int((whole + places) or "0", number.base), number.base ** len(places))
    except ValueError:
        return None


def _percents(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    return _signed("percent", policy.percent, gold, prediction, policy)


def _degrees(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    return _signed("degree", policy.degree, gold, prediction, policy)


def _signed(sign: str, reading: str, gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """A value under a percent or degree sign against a bare one: the number, the scaled value, or either."""
    marked = [isinstance(side, Apply) and side.name == sign for side in (gold, prediction)]
    if not any(marked):
        return None
    inner = [
        side.args[0] if isinstance(side, Apply) and mark else side
        for side, mark in zip((gold, prediction), marked, strict=True)
    ]
    if all(marked):
        return compare_values(inner[0], inner[1], policy)
    verdict = Equivalence(False, sign)
    if reading in ("either", "number"):
        verdict = compare_values(inner[0], inner[1], policy)
    if verdict.equal is not True and reading != "number":
        scaled_verdict = _numbers(gold, prediction, policy)
        verdict = scaled_verdict if scaled_verdict.equal else verdict
    return Equivalence(verdict.equal, sign if verdict.decided else verdict.method, verdict.detail)


def _ratios(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """`7 : 32` equals `14 : 64` and, with two terms, the fraction 7/32."""
    sides = [side.args if isinstance(side, Apply) and side.name == "ratio" else None for side in (gold, prediction)]
    if sides == [None, None]:
        return None
    one, other = sides
    if one is None or other is None:
        terms, bare = (one, prediction) if one is not None else (other, gold)
        if terms is None or len(terms) != 2:
            return Equivalence(False, "ratio")
        return _relabel(_numbers(Apply("/", terms), bare, policy), "ratio")
    if len(one) != len(other):
        return Equivalence(False, "ratio")
    zero = Number(Fraction(0))
    if zero in one or zero in other:  # times of day such as 12:00 do not scale
        return Equivalence(all(same_value(a, b) for a, b in zip(one, other, strict=True)), "ratio")
    crossed = [
        _numbers(Apply("*", (one[0], b)), Apply("*", (other[0], a)), policy).equal
        for a, b in zip(one[1:], other[1:], strict=True)
    ]
    return Equivalence(all(crossed), "ratio") if None not in crossed else undecided("ratio")


def _relabel(verdict: Equivalence, method: str) -> Equivalence:
    return Equivalence(verdict.equal, method, verdict.detail) if verdict.decided else verdict
