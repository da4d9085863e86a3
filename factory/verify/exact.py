"""Exact values: a tree as a fraction, as long as every operation in it stays rational and of reasonable size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from factory.verify.nodes import Apply, Matrix, Node, Number, Symbol

_MAX_BITS = 200_000
_MAX_FACTORIAL = 12_000
MAX_ORDER = 5
_NOWHERE: Mapping[str, Fraction] = {}


class Undefined(Exception):
    """No value here: a division by zero, an infinity, a factorial of a negative number."""


class NotReal(Undefined):
    """A value, but none among the reals: an even root or a logarithm of a negative number."""


class Unsupported(Exception):
    """Not an operation that this evaluator knows, or a value too large to hold."""


class TooLarge(Unsupported):
    """The exact value would not fit into reasonable memory."""


def exact(node: Node, at: Mapping[str, Fraction] = _NOWHERE) -> Fraction | None:
    """The value as a fraction, with symbols as `at` has them; None if an operation leaves the rationals.

    Raises Undefined or TooLarge.
    """
    match node:
        case Number(value):
            return value
        case Symbol(name):
            found = at.get(name)
            return found if isinstance(found, Fraction) else None
        case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_ORDER:
            return exact(laplace(rows), at)
        case Apply(name, args) if name in _EXACT:
            values = [exact(arg, at) for arg in args]
            if any(value is None for value in values):
                return None
            try:
                result: Fraction | None = _EXACT[name](*values)
            except (TypeError, IndexError):
                raise Unsupported(f"{name} of {len(values)}") from None
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


def exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    """None for a root; 0^0 is 1, as everywhere in combinatorics."""
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


def exact_quotient(over: Fraction, under: Fraction) -> Fraction:
    if under == 0:
        raise Undefined("division by zero")
    return over / under


def _exact_sqrt(value: Fraction) -> Fraction | None:
    if value < 0:
        return None
    over, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
    return Fraction(over, under) if over * over == value.numerator and under * under == value.denominator else None


def _exact_factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1:
        return None
    if value < 0:
        raise Undefined("factorial of a negative number")
    if value > _MAX_FACTORIAL:
        raise TooLarge("factorial")
    return Fraction(math.factorial(int(value)))


def _exact_binomial(n: Fraction, k: Fraction) -> Fraction | None:
    if n.denominator != 1 or k.denominator != 1:
        return None
    if n < 0:
        raise Undefined("binomial of a negative number")  # conventions differ
    if n > _MAX_FACTORIAL:
        raise TooLarge("binomial")
    return Fraction(math.comb(int(n), int(k)) if k >= 0 else 0)


def _exact_mod(value: Fraction, modulus: Fraction) -> Fraction:
    if modulus == 0:
        raise Undefined("modulus zero")
    return value % modulus


def _exact_gcd(*values: Fraction) -> Fraction:
    return Fraction(math.gcd(*_integers(values)))


def _exact_lcm(*values: Fraction) -> Fraction:
    return Fraction(math.lcm(*_integers(values)))


def _integers(values: tuple[Fraction, ...]) -> list[int]:
    if any(value.denominator != 1 for value in values):
        raise Undefined("not an integer")
    return [int(value) for value in values]


_EXACT: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "/": exact_quotient,
    "ratio": lambda *v: exact_quotient(*v) if len(v) == 2 else None,
    "neg": lambda a: -a,
    "^": exact_power,
    "sqrt": _exact_sqrt,
    "abs": abs,
    "percent": lambda a: a / 100,
    "permille": lambda a: a / 1000,
    "factorial": _exact_factorial,
    "binom": _exact_binomial,
    "mod": _exact_mod,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
    "max": lambda a, *more: max(a, more[0], *more),  # of one thing, it is not a maximum of numbers
    "min": lambda a, *more: min(a, more[0], *more),
    "sgn": lambda a: Fraction((a > 0) - (a < 0)),
    "gcd": _exact_gcd,
    "lcm": _exact_lcm,
}
