# ruff: noqa: SIM905 - a table of words reads better as text
"""Values with a unit, a currency or a label behind them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import Apply, Node, Number, Quantity, Symbol
from factory.verify.result import Equivalence, undecided
from factory.verify.units import same_words_of_unit, unit_of

Compare = Callable[[Node, Node], Equivalence]
_CURRENCIES = ("money", "euro", "pounds", "yuan", "rupee", "yen")
_ONE = Number(Fraction(1))


def compare_quantities(
    gold: Node, prediction: Node, policy: EquivalencePolicy, compare_values: Compare
) -> Equivalence | None:
    """Values with units: converted where both sides name known ones, ignored where one side names none."""
    if (_is_degree(gold) and _in_radians(prediction)) or (_in_radians(gold) and _is_degree(prediction)):
        values = [side.value if isinstance(side, Quantity) else side for side in (gold, prediction)]
        return compare_values(Apply("*", (values[0], _ONE)), Apply("*", (values[1], _ONE)))
    gold, prediction = _letter_unit(gold, prediction), _letter_unit(prediction, gold)
    if isinstance(gold, Quantity) and isinstance(prediction, Quantity):
        return _two_quantities(gold, prediction, compare_values)
    if not (isinstance(gold, Quantity) or isinstance(prediction, Quantity)):
        return None
    labelled, bare = (gold, prediction) if isinstance(gold, Quantity) else (prediction, gold)
    assert isinstance(labelled, Quantity)
    known = unit_of(labelled.unit)
    if known is not None and isinstance(bare, Apply) and bare.name in ("percent", "degree"):
        return Equivalence(False, "unit")
    pair = (labelled.value, bare) if labelled is gold else (bare, labelled.value)
    verdict = compare_values(*pair)
    if verdict.equal is not True:
        return verdict
    is_money = known is not None and any(base in _CURRENCIES for base, _ in known[1])
    if not (policy.missing_currency if is_money else policy.missing_unit):
        return Equivalence(False, "missing_unit")
    if known is None and _restricts(labelled.unit):
        return undecided("words behind the value may change it")
    return Equivalence(True, "missing_unit")


def _is_degree(node: Node) -> bool:
    return isinstance(node, Apply) and node.name == "degree"


def _in_radians(node: Node) -> bool:
    return isinstance(node, Quantity) and (unit := unit_of(node.unit)) is not None and unit[1] == (("radian", 1),)


def _two_quantities(gold: Quantity, prediction: Quantity, compare_values: Compare) -> Equivalence:
    one, other = unit_of(gold.unit), unit_of(prediction.unit)
    if same_words_of_unit(gold.unit, prediction.unit) or (one is not None and one == other):
        verdict = compare_values(gold.value, prediction.value)
        return Equivalence(verdict.equal, "unit" if verdict.decided else verdict.method, verdict.detail)
    if one is not None and other is not None:
        if one[1] != other[1]:
            return Equivalence(False, "unit")
        scaled = [Apply("*", (side.value, Number(unit[0]))) for side, unit in ((gold, one), (prediction, other))]
        verdict = compare_values(scaled[0], scaled[1])
        return Equivalence(verdict.equal, "unit", verdict.detail)
    verdict = compare_values(gold.value, prediction.value)
    return undecided("equal values, different labels") if verdict.equal else verdict


def _letter_unit(node: Node, other: Node) -> Node:
    """`5m` is five metres and `6 N m` a moment where the other side writes a unit."""
    letters: list[str] = []
    value = node
    while isinstance(value, Apply) and value.name == "*" and isinstance(last := value.args[1], Symbol):
        letters.insert(0, last.name)
        value = value.args[0]
    known = letters and all(unit_of(letter) is not None for letter in letters)
    return Quantity(value, " ".join(letters)) if known and isinstance(other, Quantity) else node


_RESTRICTING = frozenset(
    (
        "and half halves third thirds quarter quarters dozen or more less least most than not no if when "
        "where except but only about approximately over under per with plus minus times mod modulo out to is "
        "are"
    ).split()
)


def _restricts(label: str) -> bool:
    return bool(_RESTRICTING & set(label.casefold().replace(",", " ").split()))
