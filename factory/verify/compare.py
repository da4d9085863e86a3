"""Compare two parsed answers: decide what kinds they are and ask the rule for that pair of kinds."""

from __future__ import annotations

import re
from functools import reduce

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import (
    Apply,
    Bracket,
    Constant,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Relation,
    Symbol,
    Words,
    symbols,
)
from factory.verify.result import Equivalence, undecided
from factory.verify.rules.conditions import compare_conditionals, compare_properties
from factory.verify.rules.lists import MAX_ITEMS, both_signs, compare_named, compare_several, is_several
from factory.verify.rules.matrices import as_matrix, compare_matrices, from_lists, in_unit_vectors
from factory.verify.rules.names import as_assignments, named
from factory.verify.rules.parameters import canonical_parameters, other_parameter, same_families
from factory.verify.rules.relations import compare_relations, compare_residues
from factory.verify.rules.rounding import are_different_integers
from factory.verify.rules.set_algebra import same_set_expression
from factory.verify.rules.sets import NotASet, is_inequality, is_set, joined_by_commas, pieces, same_pieces
from factory.verify.rules.solutions import holds_on, solved_by
from factory.verify.rules.times import compare_times
from factory.verify.rules.values import NUMBER_SETS, compare_values, is_mixture
from factory.verify.words import NEGATIONS, QUANTIFIERS, says_another_kind


def compare(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    """Whether two trees are the same answer under a policy."""
    if gold == prediction:
        return Equivalence(True, "same_tree")
    if are_different_integers(gold, prediction):  # most items of lists: nothing else has to be asked
        return Equivalence(False, "number")
    match canonical_parameters(gold, prediction):
        case False:
            return Equivalence(False, "domain")
        case None:
            return undecided("whether zero is a natural number")
        case (one, other):
            return _compare_families(one, other, policy)
    if isinstance(gold, Relation) and isinstance(prediction, Relation):
        verdict = compare_relations(gold, prediction)
        if verdict.equal:
            return verdict
    if (solved := _solutions(gold, prediction, policy)) is not None:
        return solved
    assignments = as_assignments(gold), as_assignments(prediction)
    if all(isinstance(side, Listing) and all(named(i, policy).name for i in side.items) for side in assignments):
        gold, prediction = assignments  # `(x, y) = (4, 7)` and `(y, x) = (7, 4)`
    left, right = named(gold, policy), named(prediction, policy)
    verdict = compare_named(left, right, lambda a, b: _compare_values_of(a, b, policy))
    if verdict.equal is False and (renamed := other_parameter(left.value, right.value)) is not None:
        same = _compare_values_of(left.value, renamed, policy).equal
        return undecided("a parameter under two names") if same else verdict
    return verdict


def _compare_families(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    """Answers with whole parameters: as they are written, else as the numbers that they stand for."""
    verdict = compare(gold, prediction, policy)
    if verdict.equal:
        return verdict
    same = same_families(named(gold, policy).value, named(prediction, policy).value)
    if same is not None:
        return Equivalence(same, "family")
    return verdict if verdict.method == "name" else undecided("families that may be written in another way")


def _compare_values_of(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    items = _policy_of_items(policy)

    def again(a: Node, b: Node) -> Equivalence:
        return compare(a, b, items)

    gold, prediction = _as_set(gold), _as_set(prediction)
    if isinstance(gold, Matrix) or isinstance(prediction, Matrix):
        gold, prediction = from_lists(gold), from_lists(prediction)
    gold, prediction = in_unit_vectors(gold) or gold, in_unit_vectors(prediction) or prediction
    if gold == prediction:
        return Equivalence(True, "same_tree")
    if (properties := compare_properties(gold, prediction)) is not None:
        return properties
    if (conditional := compare_conditionals(gold, prediction, again)) is not None:
        return conditional
    if as_matrix(gold) is not None or as_matrix(prediction) is not None:
        return _matrices(gold, prediction, policy)
    if (residues := compare_residues(gold, prediction)) is not None:
        return residues
    sets = _sets(gold, prediction, policy)
    if sets is not None:
        return sets
    if isinstance(gold, Relation) or isinstance(prediction, Relation):
        if isinstance(gold, Relation) and isinstance(prediction, Relation):
            return compare_relations(gold, prediction)
        return Equivalence(False, "relation")
    if is_several(gold) or is_several(prediction):
        return compare_several(gold, prediction, policy, again)
    if (times := compare_times(gold, prediction)) is not None:
        return times  # also noon
    if isinstance(gold, Words) or isinstance(prediction, Words):
        return _words(gold, prediction)
    return compare_values(gold, prediction, policy)


def _policy_of_items(policy: EquivalencePolicy) -> EquivalencePolicy:
    """The policy of what stands in a list, a tuple, a set, an interval or a matrix."""
    return policy if policy.rounded_lists else policy.model_copy(update={"rounded_digits": None})


def _solutions(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """An equation in one unknown against all its solutions under the name of that unknown."""
    for equation, answer in ((gold, prediction), (prediction, gold)):
        items = answer.items if isinstance(answer, Listing) else (answer,)
        names = symbols(answer)
        if not (isinstance(equation, Relation) and equation.signs == ("=",) and len(names) == 1):
            continue
        (name,) = names
        if named(equation, policy).name is not None or symbols(equation) != names or len(items) > MAX_ITEMS:
            continue
        found = [named(item, policy) for item in items]
        if all(n.name == name and not symbols(n.value) for n in found):
            solved = solved_by(equation, name, [value for n in found for value in both_signs(n.value)])
            return Equivalence(solved, "solutions") if solved is not None else undecided("solutions of an equation")
    return None


def _sets(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """Sets of reals, where at least one side can be nothing else; None if neither can."""
    sides = (gold, prediction)
    if not any(is_set(side) or is_inequality(side) for side in sides):
        return None
    if not any(is_set(side) for side in sides) and not all(is_inequality(s) or isinstance(s, Bracket) for s in sides):
        return None
    if (named_sets := same_set_expression(gold, prediction)) is not None:
        return Equivalence(named_sets, "set")
    shapes = _same_shape(gold, prediction, policy)
    if shapes is not None and shapes.equal:
        return shapes
    if (
        any(is_inequality(side) for side in sides)
        and not policy.membership_prefix
        and not all(map(is_inequality, sides))
    ):
        return Equivalence(False, "set")
    if all(map(is_inequality, sides)) and _subject(gold) != _subject(prediction):
        return None
    try:
        return Equivalence(same_pieces(pieces(gold), pieces(prediction)), "set")
    except NotASet as reason:
        if shapes is not None and not (symbols(gold) | symbols(prediction)):
            return shapes
        if shapes is not None and shapes.equal is False and all(isinstance(s, Bracket) for s in sides):
            return shapes
        solved = _solved(gold, prediction)
        if solved is not None:
            return Equivalence(solved, "solutions")
        if isinstance(gold, Relation) and isinstance(prediction, Relation):
            return None
        if any(isinstance(s, Relation) for s in sides):
            return undecided(f"relation: {reason}") if any(map(is_inequality, sides)) else None
        if shapes is not None:
            return shapes
        is_named = any(isinstance(s, Apply) and is_set(s) and symbols(s) for s in sides)  # and D may be its name
        known = not (is_named and any(isinstance(s, Symbol) for s in sides)) and any(map(_is_no_interval, sides))
        return Equivalence(False, "set") if known else undecided(f"set: {reason}")


def _solved(gold: Node, prediction: Node) -> bool | None:
    """An inequality in one unknown against a set that is known end by end."""
    for relation, other in ((gold, prediction), (prediction, gold)):
        names = symbols(relation)
        if isinstance(relation, Relation) and is_inequality(relation) and len(names) == 1:
            try:
                return holds_on(relation, next(iter(names)), pieces(other))
            except NotASet:
                continue
    return None


def _as_set(node: Node) -> Node:
    """`x < 1 or x > 2` as a union, `x > 1 and x < 2` as an intersection, `x > 1, x != 2` without the exception."""
    match node:
        case Apply("+", (whole, Apply("neg", (Bracket("{") as left_out,)))) if is_set(whole):
            return Apply("difference", (whole, left_out))
    if not isinstance(node, Listing):
        return node
    if node.separator == ",":
        return joined_by_commas(node.items) or node
    if node.separator not in ("or", "and"):
        return node
    items = [named(item, EquivalencePolicy()).value for item in node.items]
    if not all(is_inequality(item) or is_set(item) for item in items):
        return node
    return reduce(lambda a, b: Apply("union" if node.separator == "or" else "intersection", (a, b)), items)


def _is_no_interval(node: Node) -> bool:
    """Whether a node was read as something that no set of reals with known ends is: values, or another number set."""
    match node:
        case Listing(items, _):
            return all(map(_is_no_interval, items))
        case Apply():
            return not is_set(node) and not is_mixture(node)
        case Constant(name):
            return name in NUMBER_SETS and not is_set(node)
        case _:
            return isinstance(node, Number | Symbol)


def _subject(node: Node) -> frozenset[str]:
    return symbols(node)


def _same_shape(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """Two intervals end by end: also symbols and rounded decimals may stand in them."""
    match gold, prediction:
        case Bracket(left, (a, b), right), Bracket(left_too, (c, d), right_too) if left != "{" and left_too != "{":
            if (left, right) != (left_too, right_too):
                return Equivalence(False, "interval")
            items = _policy_of_items(policy)
            ends = [compare(a, c, items), compare(b, d, items)]
            if any(end.equal is False for end in ends):
                return Equivalence(False, "interval")
            return Equivalence(True, "interval") if all(end.equal for end in ends) else undecided("interval")
        case _:
            return None


def _matrices(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    """Matrices cell by cell; a single row or column also equals the tuple of its cells."""

    items = _policy_of_items(policy)

    def again(a: Node, b: Node) -> Equivalence:
        return compare(a, b, items)

    one, other = as_matrix(gold), as_matrix(prediction)
    if one is not None and other is not None:
        return compare_matrices(one, other, again)
    tuples = [_as_tuple(side) for side in (one or gold, other or prediction)]
    if tuples[0] is not None and tuples[1] is not None:
        return compare_several(tuples[0], tuples[1], policy, again)
    return Equivalence(False, "matrix")


def _as_tuple(node: Node) -> Bracket | None:
    match node:
        case Matrix(rows) if len(rows) == 1:
            return Bracket("(", rows[0], ")")
        case Matrix(rows) if all(len(row) == 1 for row in rows):
            return Bracket("(", tuple(row[0] for row in rows), ")")
        case Bracket(left, items, _) if left in ("(", "<", "["):
            return Bracket("(", items, ")")
        case _:
            return None


def _words(gold: Node, prediction: Node) -> Equivalence:
    """Words against words differ where they do, unless one side only says more; most words say nothing to a formula.

    A number is not meant by words that hold none.
    """
    if isinstance(gold, Words) and isinstance(prediction, Words):
        if gold.text == prediction.text:
            return Equivalence(True, "words")
        one, other = (set(side.text.split()) for side in (gold, prediction))
        says_more = (one < other or other < one) and not (one ^ other) & NEGATIONS
        return undecided("one side says more") if says_more else Equivalence(False, "words")
    words, formula = (gold, prediction) if isinstance(gold, Words) else (prediction, gold)
    assert isinstance(words, Words)
    if says_another_kind(words.text) and not isinstance(formula, Bracket | Relation | Listing):
        return Equivalence(False, "words")
    if symbols(formula) or not isinstance(formula, Number | Apply | Quantity | Constant) or is_mixture(formula):
        return undecided("words against a formula")
    if re.search(r"\d", words.text) or QUANTIFIERS & set(words.text.split()):
        return undecided("words that hold a number")
    return Equivalence(False, "words")
