"""Compare two parsed answers: decide what kinds they are and ask the rule for that pair of kinds."""

from __future__ import annotations

from functools import reduce

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import Apply, Bracket, Listing, Matrix, Node, Relation, Words, symbols
from factory.verify.rules.conditions import compare_conditionals
from factory.verify.rules.lists import compare_named, compare_several, is_several
from factory.verify.rules.matrices import as_matrix, compare_matrices
from factory.verify.rules.names import as_assignments, named
from factory.verify.rules.parameters import canonical_parameters, same_families
from factory.verify.rules.relations import compare_relations
from factory.verify.rules.rounding import are_different_integers
from factory.verify.rules.sets import NotASet, is_inequality, is_set, pieces, same_pieces
from factory.verify.rules.solutions import holds_on
from factory.verify.rules.times import compare_times
from factory.verify.rules.values import compare_values
from factory.verify.verdict import Equivalence, undecided


def compare(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence:
    """Whether two trees are the same answer under a policy."""
    if gold == prediction:
        return Equivalence(True, "same_tree")
    if are_different_integers(gold, prediction):  # most items of lists: nothing else has to be asked
        return Equivalence(False, "number")
    match canonical_parameters(gold, prediction):
        case False:
            return Equivalence(False, "domain")
        case (one, other):
            return _compare_families(one, other, policy)
    if isinstance(gold, Relation) and isinstance(prediction, Relation):
        verdict = compare_relations(gold, prediction)
        if verdict.equal:
            return verdict
    assignments = as_assignments(gold), as_assignments(prediction)
    if all(isinstance(side, Listing) and all(named(i, policy).name for i in side.items) for side in assignments):
        gold, prediction = assignments  # `(x, y) = (4, 7)` and `(y, x) = (7, 4)`
    return compare_named(named(gold, policy), named(prediction, policy), lambda a, b: _compare_values_of(a, b, policy))


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
    if gold == prediction:
        return Equivalence(True, "same_tree")
    if (conditional := compare_conditionals(gold, prediction, again)) is not None:
        return conditional
    sets = _sets(gold, prediction, policy)
    if sets is not None:
        return sets
    if isinstance(gold, Relation) or isinstance(prediction, Relation):
        if isinstance(gold, Relation) and isinstance(prediction, Relation):
            return compare_relations(gold, prediction)
        return Equivalence(False, "relation")
    if as_matrix(gold) is not None or as_matrix(prediction) is not None:
        return _matrices(gold, prediction, policy)
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


def _sets(gold: Node, prediction: Node, policy: EquivalencePolicy) -> Equivalence | None:
    """Sets of reals, where at least one side can be nothing else; None where neither can."""
    sides = (gold, prediction)
    if not any(is_set(side) or is_inequality(side) for side in sides):
        return None
    if not any(is_set(side) for side in sides) and not all(is_inequality(s) or isinstance(s, Bracket) for s in sides):
        return None
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
        return Equivalence(False, "set") if shapes is None else shapes


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
    """`x < 1 or x > 2` as a union, `x > 1 and x < 2` as an intersection."""
    if not isinstance(node, Listing) or node.separator not in ("or", "and"):
        return node
    items = [named(item, EquivalencePolicy()).value for item in node.items]
    if not all(is_inequality(item) or is_set(item) for item in items):
        return node
    return reduce(lambda a, b: Apply("union" if node.separator == "or" else "intersection", (a, b)), items)


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
        case Bracket(left, items, _) if left in ("(", "<") or (left == "[" and len(items) > 2):
            return Bracket("(", items, ")")
        case _:
            return None


def _words(gold: Node, prediction: Node) -> Equivalence:
    if isinstance(gold, Words) and isinstance(prediction, Words) and gold.text == prediction.text:
        return Equivalence(True, "words")
    return Equivalence(False, "words")
