"""Values under conditions: `2 if n is even`, rows of a piecewise function. A condition binds its own value only."""

from __future__ import annotations

import re

from factory.verify.identity import sameness
from factory.verify.nodes import Apply, Conditional, Listing, Node, Quantity, Relation, Symbol, Words, symbols
from factory.verify.result import Equivalence, undecided
from factory.verify.rules.lists import Compare
from factory.verify.units import unit_of

_OPPOSITE = (
    ("odd", "even"), ("positive", "negative"), ("positive", "non-positive"), ("negative", "non-negative"),
    ("rational", "irrational"), ("prime", "composite"), ("positive", "zero"), ("negative", "zero"),
)  # fmt: skip


def compare_conditionals(gold: Node, prediction: Node, compare: Compare) -> Equivalence | None:
    """Two answers of which at least one stands under a condition; None if neither does."""
    if (verdict := _piecewise(gold, prediction)) is not None:
        return verdict
    match gold, prediction:
        case Conditional(value, condition), Conditional(other, other_condition):
            values = compare(value, other)
            if values.equal is False:
                return Equivalence(False, "condition")
            conditions = _same_condition(condition, other_condition, compare)
            if conditions is False:
                return Equivalence(False, "condition")
            return Equivalence(True, "condition") if values.equal and conditions else undecided("conditions")
        case (Listing(items, _), bare) | (bare, Listing(items, _)) if not isinstance(bare, Listing) and all(
            isinstance(item, Conditional) for item in items
        ):
            return _cases_and_value(items, bare, compare)
        case (Conditional(value, _), bare) | (bare, Conditional(value, _)):
            if isinstance(bare, Listing):
                return None
            verdict = compare(value, bare)
            return undecided("a condition on one side only") if verdict.equal else verdict
        case _:
            return None


def compare_properties(gold: Node, prediction: Node) -> Equivalence | None:
    """`n is odd` and `odd n` as answers of their own; None for everything that is not one name and words of one."""
    one, other = _property(gold), _property(prediction)
    if one is None or other is None or not (one[1] and other[1]) or unit_of(one[1]) or unit_of(other[1]):
        return None
    same = _same_condition(gold, prediction, lambda a, b: Equivalence(a == b, "property"))
    return undecided("two properties") if same is None else Equivalence(same, "property")


def _cases_and_value(items: tuple[Node, ...], bare: Node, compare: Compare) -> Equivalence:
    """Several cases against one value: not equal where some case has another value, whatever its condition."""
    verdicts = [compare(item.value, bare) for item in items if isinstance(item, Conditional)]
    depends = any(symbols(bare) & symbols(item) for item in items)
    if not depends and any(verdict.equal is False for verdict in verdicts):
        return Equivalence(False, "condition")
    return undecided("cases on one side only")


def _same_condition(one: Node, other: Node, compare: Compare) -> bool | None:
    if one == other:
        return True
    left, right = _property(one), _property(other)
    if left is not None and right is not None:
        if left == right:
            return True
        if left[0] == right[0]:
            differ = any({left[1], right[1]} == set(pair) for pair in _OPPOSITE)
            return False if differ else None
        return None
    if isinstance(one, Relation) and isinstance(other, Relation):
        if one.signs == other.signs == ("=",) and one.members[0] == other.members[0]:
            return compare(one.members[1], other.members[1]).equal
        return compare(one, other).equal
    return None


def _property(node: Node) -> tuple[str, str] | None:
    """`n is odd` and `odd n` as (n, odd)."""
    match node:
        case Quantity(Symbol(name), label) | Apply("*", (Words(label), Symbol(name))):
            words = re.sub(r"\b(?:is|an?|be|are|any|number|integer)\b", " ", label.casefold()).split()
            return name, " ".join(words)
        case _:
            return None


def _piecewise(gold: Node, prediction: Node) -> Equivalence | None:
    """A function in cases against one formula or other cases: compared by value, where its conditions are relations."""
    one, other = _as_function(gold), _as_function(prediction)
    if one is None and other is None:
        return None
    left, right = one or gold, other or prediction
    if isinstance(left, Listing | Relation | Conditional) or isinstance(right, Listing | Relation | Conditional):
        return None
    found = sameness(left, right)
    return Equivalence(found.equal, "cases") if found.equal is not None else undecided(found.how)


def _as_function(node: Node) -> Node | None:
    if not (isinstance(node, Listing) and len(node.items) > 1):
        return None
    parts: list[Node] = []
    for item in node.items:
        if not (isinstance(item, Conditional) and symbols(item.condition)):
            return None
        if not (
            isinstance(item.condition, Relation) and set(item.condition.signs) <= {"<", ">", "<=", ">=", "=", "!="}
        ):
            return None
        parts += [item.value, item.condition]
    return Apply("piecewise", tuple(parts))
