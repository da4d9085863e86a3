"""Exact values: a tree as a fraction, as long as every operation in it stays rational and of reasonable size."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from factory.verify.nodes import Apply, Matrix, Node, Number

_MAX_BITS = 200_000
MAX_ORDER = 5


class Undefined(Exception):
    """No value here: a division by zero, an even root of a negative number in real arithmetic, an infinity."""


class Unsupported(Exception):
    """Not an operation that this evaluator knows, or a value too large to hold."""


class TooLarge(Unsupported):
    """The exact value would not fit into reasonable memory."""


def exact(node: Node) -> Fraction | None:
    """The value as a fraction; None where an operation leaves the rationals. Raises Undefined or TooLarge."""
    match node:
        case Number(value):
            return value
        case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_ORDER:
            return exact(laplace(rows))
        case Apply(name, args) if name in _EXACT:
            values = [exact(arg) for arg in args]
            if any(value is None for value in values):
                return None
            result: Fraction | None = _EXACT[name](*values)
            return result
        case _:
            return None


def laplace(rows: tuple[tuple[Node, ...], ...]) -> Node:
    """A determinant as a sum of products, by expansion along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    total: Node = Number(Fraction(0))
    for column, cell in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        term = Apply("*", (cell, laplace(minor)))
        total = Apply("+", (total, Apply("neg", (term,)) if column % 2 else term))
    return total


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1:
        return None
    power = exponent.numerator
    if base == 0 and power < 0:
        raise Undefined("zero to a negative power")
    if abs(power) * max(base.numerator.bit_length(), base.denominator.bit_length()) > _MAX_BITS and abs(base) != 1:
        if base == 0:
            return base
        raise TooLarge("power")
    return base**power


def _exact_quotient(over: Fraction, under: Fraction) -> Fraction:
    if under == 0:
        raise Undefined("division by zero")
    return over / under


def _exact_factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > 5000:
        raise TooLarge("factorial")
    return Fraction(math.factorial(int(value)))


def _exact_binomial(n: Fraction, k: Fraction) -> Fraction | None:
    if n.denominator != 1 or k.denominator != 1 or n < 0 or k < 0:
        return None
    if n > 5000:
        raise TooLarge("binomial")
    return Fraction(math.comb(int(n), int(k)))


def _exact_mod(value: Fraction, modulus: Fraction) -> Fraction:
    if modulus == 0:
        raise Undefined("modulus zero")
    return value % modulus


_EXACT: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "/": _exact_quotient,
    "neg": lambda a: -a,
    "^": _exact_power,
    "abs": abs,
    "percent": lambda a: a / 100,
    "factorial": _exact_factorial,
    "binom": _exact_binomial,
    "mod": _exact_mod,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
}
