"""Matrices and vectors, and the sums and products of them that answers leave unevaluated."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

from factory.verify.nodes import Apply, Bracket, Constant, Matrix, Node, Number, Symbol
from factory.verify.result import Equivalence
from factory.verify.rules.lists import Compare, all_equal


def compare_matrices(gold: Matrix, prediction: Matrix, compare: Compare) -> Equivalence:
    """Equal shapes and equal cells."""
    if [len(row) for row in gold.rows] != [len(row) for row in prediction.rows]:
        return Equivalence(False, "matrix")
    cells = [(a, b) for x, y in zip(gold.rows, prediction.rows, strict=True) for a, b in zip(x, y, strict=True)]
    return all_equal([compare(a, b) for a, b in cells], "matrix")


def as_matrix(node: Node) -> Matrix | None:
    """An expression as one matrix: itself, or sums, products and multiples of matrices; None for everything else."""
    match node:
        case Matrix():
            return node
        case Apply("^", (inner, Symbol("T"))):
            matrix = as_matrix(inner) or _row(inner)
            return None if matrix is None else Matrix(tuple(zip(*matrix.rows, strict=True)))
        case Apply("neg", (inner,)):
            matrix = as_matrix(inner)
            return None if matrix is None else _scaled(Number(Fraction(-1)), matrix)
        case Apply("+", (left, right)):
            return _sum(as_matrix(left), as_matrix(right))
        case Apply("*", (left, right)):
            one, other = as_matrix(left), as_matrix(right)
            if one is not None and other is not None:
                return _product(one, other)
            if one is None and other is None:
                return None
            return _scaled(left, other) if other is not None else _scaled(right, one)
        case Apply("/", (left, right)) if (matrix := as_matrix(left)) is not None:
            return _scaled(Apply("/", (Number(Fraction(1)), right)), matrix)
        case _:
            return None


def from_lists(node: Node) -> Node:
    """`[[1, 2], [3, 4]]`, row by row, as a matrix; every other node as it is."""
    match node:
        case Bracket("[", rows, "]") if all(isinstance(row, Bracket) and row.left == "[" for row in rows):
            cells = [row.items for row in rows if isinstance(row, Bracket)]
            return Matrix(tuple(cells)) if len({len(row) for row in cells}) == 1 else node
        case _:
            return node


def in_unit_vectors(node: Node) -> Bracket | None:
    r"""`2\hat{i} - 3\hat{j}` as the tuple of its coordinates; None for everything else."""
    found = _coordinates(node)
    if not found:
        return None
    axes = "ijk" if "k" in found else "ij"
    return Bracket("(", tuple(found.get(axis, Number(Fraction(0))) for axis in axes), ")")


def _coordinates(node: Node) -> dict[str, Node] | None:
    match node:
        case Apply("hat()", (Constant("i"),)):
            return {"i": Number(Fraction(1))}
        case Apply("hat()", (Symbol("j" | "k" as axis),)):
            return {axis: Number(Fraction(1))}
        case Apply("+", (left, right)):
            one, other = _coordinates(left), _coordinates(right)
            return None if one is None or other is None or one.keys() & other.keys() else one | other
        case Apply("neg", (inner,)):
            found = _coordinates(inner)
            return None if found is None else {axis: Apply("neg", (value,)) for axis, value in found.items()}
        case Apply("*" | "/" as name, (left, right)) if (found := _coordinates(left)) is not None:
            return {axis: Apply(name, (value, right)) for axis, value in found.items()}
        case Apply("*", (left, right)) if (found := _coordinates(right)) is not None:
            return {axis: Apply("*", (left, value)) for axis, value in found.items()}
        case _:
            return None


def _row(node: Node) -> Matrix | None:
    return Matrix((node.items,)) if isinstance(node, Bracket) and node.left in ("(", "[") else None


def _scaled(factor: Node, matrix: Matrix | None) -> Matrix | None:
    if matrix is None:
        return None
    return Matrix(tuple(tuple(Apply("*", (factor, cell)) for cell in row) for row in matrix.rows))


def _sum(one: Matrix | None, other: Matrix | None) -> Matrix | None:
    if one is None or other is None or len(one.rows) != len(other.rows) or len(one.rows[0]) != len(other.rows[0]):
        return None
    rows = zip(one.rows, other.rows, strict=True)
    return Matrix(tuple(tuple(Apply("+", (a, b)) for a, b in zip(x, y, strict=True)) for x, y in rows))


def _product(one: Matrix, other: Matrix) -> Matrix | None:
    if len(one.rows[0]) != len(other.rows):
        return None
    columns = list(zip(*other.rows, strict=True))
    return Matrix(tuple(tuple(_dot(row, column) for column in columns) for row in one.rows))


def _dot(row: tuple[Node, ...], column: tuple[Node, ...]) -> Node:
    products: list[Node] = [Apply("*", (a, b)) for a, b in zip(row, column, strict=True)]
    return reduce(lambda a, b: Apply("+", (a, b)), products)
