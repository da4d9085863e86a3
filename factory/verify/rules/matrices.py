"""Matrices and vectors, and the sums and products of them that answers leave unevaluated."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

from factory.verify.nodes import Apply, Matrix, Node, Number
from factory.verify.rules.lists import Compare, all_equal
from factory.verify.verdict import Equivalence


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
