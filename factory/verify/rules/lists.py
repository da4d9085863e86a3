"""Several values: lists without brackets, tuples, sets in braces, and what a plus-minus sign stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeGuard

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import (
    Apply,
    Bracket,
    Conditional,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Relation,
    Symbol,
    symbols,
)
from factory.verify.result import Equivalence, undecided
from factory.verify.rules.names import NamedValue, named, names_differ

Compare = Callable[[Node, Node], Equivalence]
MAX_ITEMS = 200
_ZERO = Number(Fraction(0))


def is_several(node: Node) -> bool:
    """Whether an expression holds more than one value."""
    return isinstance(node, Listing | Bracket) or has_choice_of_sign(node)


def has_choice_of_sign(node: Node) -> bool:
    match node:
        case Apply("pm" | "mp", _):
            return True
        case Apply(_, args) | Bracket("(" | "<", args, _):
            return any(has_choice_of_sign(arg) for arg in args)
        case Quantity(value, _):
            return has_choice_of_sign(value)
        case Relation(members, _):
            return any(has_choice_of_sign(member) for member in members)
        case _:
            return False


def both_signs(node: Node) -> list[Node]:
    """The values of an expression with plus-minus signs: all upper signs, then all lower ones."""
    if not has_choice_of_sign(node):
        return [node]
    return [_with_sign(node, upper) for upper in (True, False)]


def _with_sign(node: Node, upper: bool) -> Node:
    match node:
        case Apply("pm" | "mp" as name, (one, other)):
            plus = upper == (name == "pm")
            left, right = _with_sign(one, upper), _with_sign(other, upper)
            if left == _ZERO and (vector := _signed_vector(right, plus)) is not None:
                return vector
            return Apply("+", (left, right if plus else Apply("neg", (right,))))
        case Apply(name, args):
            return Apply(name, tuple(_with_sign(arg, upper) for arg in args))
        case Bracket(left, items, right):
            return Bracket(left, tuple(_with_sign(item, upper) for item in items), right)
        case Quantity(value, unit):
            return Quantity(_with_sign(value, upper), unit)
        case Relation(members, signs):
            return Relation(tuple(_with_sign(member, upper) for member in members), signs)
        case _:
            return node


def _signed_vector(node: Node, plus: bool) -> Node | None:
    r"""`\pm(1, 2)` is (1, 2) and (-1, -2)."""
    match node:
        case Bracket("(" | "<" as left, items, right):
            return node if plus else Bracket(left, tuple(Apply("neg", (item,)) for item in items), right)
        case Matrix(rows):
            return node if plus else Matrix(tuple(tuple(Apply("neg", (cell,)) for cell in row) for row in rows))
        case _:
            return None


def _signs_are_free(node: Node) -> bool:
    r"""Whether signs in one tuple may be chosen one by one: `(\pm 1, \pm 2)` is two pairs to some, four to others."""
    match node:
        case Bracket("(" | "<", items, _):
            return sum(has_choice_of_sign(item) for item in items) > 1
        case Listing(items, _):
            return any(_signs_are_free(item) for item in items)
        case Relation(members, _):
            return any(_signs_are_free(member) for member in members)
        case _:
            return False


def compare_several(gold: Node, prediction: Node, policy: EquivalencePolicy, compare: Compare) -> Equivalence:
    """Two answers of which at least one holds several values."""
    if _are_propositions(gold) and _are_propositions(prediction) and gold.separator != prediction.separator:
        return undecided("letters joined in two ways")
    if _signs_are_free(gold) != _signs_are_free(prediction):
        return undecided("signs that may be chosen one by one")
    one, other = _items(gold, policy), _items(prediction, policy)
    if max(len(one), len(other)) > MAX_ITEMS:
        return undecided("too many items")
    kinds = {_kind(gold), _kind(prediction)}
    if kinds in ({"tuple", "set"}, {"tuple", "single"}) or (kinds == {"tuple", "list"} and not policy.list_as_tuple):
        return Equivalence(False, "brackets")
    if kinds == {"tuple"} and not _same_brackets(gold, prediction):
        return Equivalence(False, "brackets")
    one, other = (
        _distinct(side, compare) if _are_alternatives(node) else side
        for side, node in ((one, gold), (other, prediction))
    )
    if "set" in kinds or all(isinstance(n.value, Bracket) for n in [*one, *other]):  # solutions, each listed once
        one, other = _distinct(one, compare), _distinct(other, compare)
    if len(one) != len(other):
        if any(isinstance(n.value, Conditional) for n in [*one, *other]):
            return undecided("cases that may be written in another way")
        return Equivalence(False, "number_of_values")
    if _one_name_indexed(one, other) or _one_name_indexed(other, one):
        one, other = ([NamedValue(None, n.value) for n in side] for side in (one, other))
    by_name = _by_name(one, other)
    if by_name is not None:
        return _ordered(*by_name, compare)
    ordered = "tuple" in kinds or (
        "set" not in kinds and (policy.list_order == "keep" or _distinctly_named(one, other))
    )
    return _ordered(one, other, compare) if ordered else _unordered(one, other, compare)


def _are_propositions(node: Node) -> TypeGuard[Listing]:
    """`p and q` of letters alone, which may be statements rather than values."""
    return (
        isinstance(node, Listing)
        and node.separator in ("and", "or")
        and all(isinstance(item, Symbol) for item in node.items)
    )


def _are_alternatives(node: Node) -> bool:
    """`3/2 or 1.5` may say one thing twice."""
    return isinstance(node, Listing) and node.separator == "or"


def _items(node: Node, policy: EquivalencePolicy) -> list[NamedValue]:
    match node:
        case Listing(items, _) | Bracket("{", items, _):
            found = [
                replace(n, value=value)
                for item in items
                for n in [named(item, policy)]
                for value in both_signs(n.value)
            ]
            return _grouped(found)
        case Bracket(_, items, _) if _signs_are_free(node) or not has_choice_of_sign(node):
            return [named(item, policy) for item in items]
        case _:
            return [NamedValue(None, value) for value in both_signs(node)]


def _grouped(found: list[NamedValue]) -> list[NamedValue]:
    """`p = 5, q = 2, p = 7, q = 2` are the two pairs (5, 2) and (7, 2)."""
    names = [n.name for n in found]
    cycle = next((i for i in range(1, len(names)) if names[i] == names[0]), len(names))
    if None in names or cycle < 2 or cycle == len(names) or len(names) % cycle:
        return found
    if any(names[i] != names[i % cycle] for i in range(len(names))):
        return found
    starts = range(0, len(found), cycle)
    return [NamedValue(None, Bracket("(", tuple(n.value for n in found[i : i + cycle]), ")")) for i in starts]


def _kind(node: Node) -> str:
    match node:
        case Bracket("{", _, _):
            return "set"
        case Bracket() if _signs_are_free(node) or not has_choice_of_sign(node):
            return "tuple"
        case Listing():
            return "list"
        case _:
            return "list" if has_choice_of_sign(node) else "single"


def _same_brackets(gold: Node, prediction: Node) -> bool:
    """Round and angle brackets both write vectors; square ones write intervals where they hold two ends."""
    assert isinstance(gold, Bracket)
    assert isinstance(prediction, Bracket)
    pairs = {("<", ">"): ("(", ")")}
    one, other = ((b.left, b.right) for b in (gold, prediction))
    if len(gold.items) > 2:
        pairs["[", "]"] = ("(", ")")
    return pairs.get(one, one) == pairs.get(other, other)


def _distinct(items: list[NamedValue], compare: Compare) -> list[NamedValue]:
    kept: list[NamedValue] = []
    for item in items:
        if not any(compare(item.value, other.value).equal for other in kept):
            kept.append(item)
    return kept


def compare_named(one: NamedValue, other: NamedValue, compare: Compare) -> Equivalence:
    """Two values with their names: equal where the values are and no name speaks against it."""
    differ = names_differ(one, other)
    if differ:
        return Equivalence(False, "name")
    verdict = compare(one.value, other.value)
    if differ is None and (verdict.equal or symbols(one.value) | symbols(other.value)):
        return undecided("the names may differ")
    return verdict


def _one_name_indexed(one: list[NamedValue], other: list[NamedValue]) -> bool:
    """`x_1 = 1, x_2 = 2` and `x = 1, x = 2` list the values of one unknown."""
    bases = {(n.name or "").partition("_")[0] for n in one}
    return len(bases) == 1 and bases == {n.name for n in other} and bases != {""}


def _by_name(one: list[NamedValue], other: list[NamedValue]) -> tuple[list[NamedValue], list[NamedValue]] | None:
    """Both sides in one order of names, where both name each of theirs once and by the same names."""
    left, right = ({n.name: n for n in side} for side in (one, other))
    if (
        None in left
        or None in right
        or len(left) != len(one)
        or len(right) != len(other)
        or left.keys() != right.keys()
    ):
        return None
    return list(left.values()), [right[name] for name in left]


def _distinctly_named(one: list[NamedValue], other: list[NamedValue]) -> bool:
    """Whether a side gives different things different names, so that their order carries meaning."""
    return any(len({n.name for n in side if n.name}) > 1 for side in (one, other))


def _ordered(one: Sequence[NamedValue], other: Sequence[NamedValue], compare: Compare) -> Equivalence:
    verdicts = [compare_named(a, b, compare) for a, b in zip(one, other, strict=True)]
    return all_equal(verdicts, "ordered")


def _unordered(one: Sequence[NamedValue], other: Sequence[NamedValue], compare: Compare) -> Equivalence:
    """Each value needs a partner of its own."""
    left = list(other)
    doubtful = False
    for value in one:
        verdicts = [compare_named(value, candidate, compare) for candidate in left]
        partner = next((i for i, verdict in enumerate(verdicts) if verdict.equal), None)
        if partner is not None:
            left.pop(partner)
            continue
        if not any(verdict.equal is None for verdict in verdicts):
            return Equivalence(False, "unordered")
        doubtful = True
    return undecided("unordered") if doubtful else Equivalence(True, "unordered")


def all_equal(verdicts: list[Equivalence], method: str) -> Equivalence:
    """One verdict for parts that must all be equal."""
    if any(verdict.equal is False for verdict in verdicts):
        return Equivalence(False, method)
    if any(verdict.equal is None for verdict in verdicts):
        return undecided(method)
    return Equivalence(True, method)
