"""Evaluate a tree: exactly where it is rational, to many digits where it is not, at chosen points where symbols are free.

Two expressions that agree at several random points to 40 digits are the same expression; one point that tells them
apart proves that they are not (Schwartz and Zippel's test, with reals in place of a finite field). This decides in
microseconds what symbolic simplification decides in seconds or never.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

from mpmath import MPContext

from factory.verify.nodes import Apply, Constant, Matrix, Node, Number, Symbol, symbols

_MAX_BITS = 200_000
_MAX_EXPONENT = 10**9
_MAX_FACTORIAL = 10**6
_MAX_ORDER = 5
_MAX_TERMS = 500


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
        case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= _MAX_ORDER:
            return exact(_laplace(rows))
        case Apply(name, args) if name in _EXACT:
            values = [exact(arg) for arg in args]
            if any(value is None for value in values):
                return None
            result: Fraction | None = _EXACT[name](*values)
            return result
        case _:
            return None


def same_value(gold: Node, prediction: Node) -> bool | None:
    """Whether two expressions have the same value wherever both are defined; None where that cannot be told."""
    names = sorted(symbols(gold) | symbols(prediction))
    if not names:
        return _same_constant(gold, prediction)
    imaginary = _mentions_i(gold) or _mentions_i(prediction)
    for points in [_REAL_POINTS] if not imaginary else []:
        if (decided := _same_at(gold, prediction, names, points, real=True)) is not None:
            return decided
    if any(name in _INTEGER_NAMES for name in names):
        decided = _same_at(gold, prediction, names, _INTEGER_POINTS, real=not imaginary)
        if decided is not None:
            return decided
    return _same_at(gold, prediction, names, _REAL_POINTS, real=False)


def constant_ratio(over: Node, under: Node) -> Any:
    """over / under where that is one real constant at every point tried; None where it varies or cannot be told."""
    names = sorted(symbols(over) | symbols(under))
    ratios = []
    for point in _REAL_POINTS:
        values = {name: coordinate(name, point) for name in names}
        try:
            ratios.append(value_of(over, values, real=True) / value_of(under, values, real=True))
        except (Undefined, ZeroDivisionError):
            continue
        except Unsupported:
            return None
        if abs(ratios[-1] - ratios[0]) > abs(ratios[0]) * _context(50).mpf("1e-30"):
            return None
    return ratios[0] if len(ratios) >= 3 else None


def value_of(node: Node, at: dict[str, Any] | None = None, *, digits: int = 50, real: bool = False) -> Any:
    """The value as an mpmath number of `digits` digits. Raises Undefined or Unsupported."""
    context = _context(digits)
    try:
        return _Evaluation(context, at or {}, real).value(node)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise Undefined(str(error)) from None


def _same_constant(gold: Node, prediction: Node) -> bool | None:
    try:
        one, other = exact(gold), exact(prediction)
        if one is not None and other is not None:
            return one == other
        return _agree(gold, prediction, {}, real=False)
    except (Undefined, Unsupported):
        return None


def _same_at(gold: Node, prediction: Node, names: list[str], points: range, *, real: bool) -> bool | None:
    agreed = 0
    for point in points:
        values = {name: coordinate(name, point) for name in names}
        try:
            if not _agree(gold, prediction, values, real=real):
                return False
        except Undefined:
            continue
        except Unsupported:
            return None
        agreed += 1
        if agreed == 4:
            return True
    return True if agreed >= 2 else None


def _agree(gold: Node, prediction: Node, at: dict[str, Fraction], *, real: bool) -> bool:
    """Equal to 40 digits, and to 100 where the first look leaves a doubt (cancellation, tiny values)."""
    scales = []
    for digits in (50, 240):
        context = _context(digits)
        one, other = (value_of(side, at, digits=digits, real=real) for side in (gold, prediction))
        scale = max(abs(one), abs(other))
        if not context.isfinite(scale):
            raise Undefined("not finite")
        difference = abs(one - other)
        if difference > scale * context.mpf("1e-8") and scale > context.mpf("1e-12"):
            return False
        scales.append(scale)
    # a value that shrinks with the precision is rounding noise around zero
    is_zero = scales[1] <= scales[0] * context.mpf("1e-30")
    return bool(is_zero or difference <= scale * context.mpf("1e-100"))


_REAL_POINTS = range(9)
_INTEGER_POINTS = range(100, 108)
_INTEGER_NAMES = frozenset("jklmnpqNMK")


@lru_cache(maxsize=4096)
def coordinate(name: str, point: int) -> Fraction:
    """A fixed pseudo-random value: three points above 1, three between 0 and 1, three of any sign; integers from 100."""
    draw = int.from_bytes(hashlib.blake2b(f"{name}@{point}".encode(), digest_size=7).digest(), "big")
    unit = Fraction(draw, 1 << 56)
    if point >= 100 and name in _INTEGER_NAMES:
        return Fraction(1 + draw % 9)
    order = point % 3
    if order == 0:
        return 1 + 2 * unit
    return unit if order == 1 else (4 * unit - 2)


def _mentions_i(node: Node) -> bool:
    if isinstance(node, Apply) and node.name in ("sum", "prod") and node.args[0] == Symbol("i"):
        return False
    return node == Constant("i") or (isinstance(node, Apply) and any(_mentions_i(arg) for arg in node.args))


@lru_cache(maxsize=8)
def _context(digits: int) -> Any:
    context = MPContext()
    context.dps = digits
    return context


def _laplace(rows: tuple[tuple[Node, ...], ...]) -> Node:
    """A determinant as a sum of products, by expansion along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    total: Node = Number(Fraction(0))
    for column, cell in enumerate(rows[0]):
        minor = tuple(row[:column] + row[column + 1 :] for row in rows[1:])
        term = Apply("*", (cell, _laplace(minor)))
        total = Apply("+", (total, Apply("neg", (term,)) if column % 2 else term))
    return total


class _Evaluation:
    """One walk over a tree at one point."""

    def __init__(self, context: Any, at: dict[str, Any], real: bool) -> None:
        self.mp, self.at, self.real = context, at, real

    def value(self, node: Node) -> Any:
        match node:
            case Number(value):
                return self.mp.mpf(value.numerator) / value.denominator
            case Symbol(name):
                if name not in self.at:
                    raise Unsupported(f"symbol {name}")
                value = self.at[name]
                return self.mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value
            case Constant("pi"):
                return +self.mp.pi
            case Constant("e"):
                return +self.mp.e
            case Constant("i"):
                return self.mp.mpf(self.at["i"].numerator) if "i" in self.at else self.mp.mpc(0, 1)  # or a sum's index
            case Constant("oo"):
                raise Undefined("infinity")
            case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= _MAX_ORDER:
                return self.value(_laplace(rows))
            case Apply("sum" | "prod" as name, (Symbol(index), low, high, body)):
                return self._series(name, index, self.value(low), self.value(high), body)
            case Apply(name, args):
                return self._checked(self._apply(name, [self.value(arg) for arg in args]))
            case _:
                raise Unsupported(type(node).__name__)

    def _series(self, name: str, index: str, low: Any, high: Any, body: Node) -> Any:
        if low != int(low.real) or high != int(high.real):
            raise Undefined("bounds that are no integers")
        if high - low > _MAX_TERMS:
            raise TooLarge("terms")
        total = self.mp.mpf(name == "prod")
        for k in range(int(low.real), int(high.real) + 1):
            term = _Evaluation(self.mp, {**self.at, index: Fraction(k)}, self.real).value(body)
            total = total + term if name == "sum" else total * term
        return total

    def _checked(self, value: Any) -> Any:
        if self.real and isinstance(value, self.mp.mpc):
            raise Undefined("not real")
        return value

    def _apply(self, name: str, v: list[Any]) -> Any:
        mp = self.mp
        match name:
            case "+":
                return v[0] + v[1]
            case "*":
                return v[0] * v[1]
            case "/" | "ratio" if len(v) == 2:
                if v[1] == 0:
                    raise Undefined("division by zero")
                return v[0] / v[1]
            case "neg":
                return -v[0]
            case "^":
                return self._power(v[0], v[1])
            case "sqrt":
                return mp.sqrt(v[0])
            case "root":
                return self._root(v[0], v[1])
            case "percent":
                return v[0] / 100
            case "degree":
                return v[0] * mp.pi / 180
            case "abs":
                return abs(v[0])
            case "factorial" | "double_factorial":
                if abs(v[0]) > _MAX_FACTORIAL:
                    raise TooLarge("factorial")
                return mp.factorial(v[0]) if name == "factorial" else mp.fac2(v[0])
            case "binom":
                if max(abs(v[0]), abs(v[1])) > _MAX_FACTORIAL:
                    raise TooLarge("binomial")
                return mp.binomial(v[0], v[1])
            case "log" | "ln":
                if v[0] == 0:
                    raise Undefined("logarithm of zero")
                return mp.log(v[0]) / mp.log(v[1]) if len(v) == 2 else mp.log(v[0])
            case "exp":
                return self._power(+mp.e, v[0])
            case "mod":
                return v[0] - v[1] * mp.floor(v[0] / v[1])
            case "max" | "min":
                return (max if name == "max" else min)(v)
            case "floor" | "ceil":
                return (mp.floor if name == "floor" else mp.ceil)(v[0])
            case "gcd" | "lcm":
                return self._integers(math.gcd if name == "gcd" else math.lcm, v)
            case _ if name.endswith("()"):
                return self._unknown(name, v)
            case _ if name in _ONE_ARGUMENT and len(v) == 1:
                return getattr(mp, _ONE_ARGUMENT[name])(v[0])
        raise Unsupported(name)

    def _power(self, base: Any, exponent: Any) -> Any:
        if abs(exponent) > _MAX_EXPONENT and abs(base) != 1:
            raise TooLarge("power")
        if base == 0 and self.mp.re(exponent) <= 0 and exponent != 0:
            raise Undefined("zero to a negative power")
        return self.mp.power(base, exponent)

    def _root(self, value: Any, degree: Any) -> Any:
        if not isinstance(value, self.mp.mpc) and value < 0 and degree == int(degree) and int(degree) % 2:
            return -self._power(-value, 1 / degree)
        return self._power(value, 1 / degree)

    def _integers(self, function: Any, values: list[Any]) -> Any:
        if any(isinstance(v, self.mp.mpc) or v != self.mp.floor(v) for v in values):
            raise Undefined("not an integer")
        return self.mp.mpf(function(*(int(v) for v in values)))

    def _unknown(self, name: str, values: list[Any]) -> Any:
        """An arbitrary but fixed smooth function, so that f(2) and f(4)/2 differ and f(x+1) equals f(1+x)."""
        total = self.mp.mpf(1)
        for place, value in enumerate(values):
            a, b = coordinate(name, 3 * place), coordinate(name, 3 * place + 1)
            angle = value * a.numerator / a.denominator + self.mp.mpf(b.numerator) / b.denominator
            total += self.mp.sin(angle) * (place + 1)
        return total


_ONE_ARGUMENT = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth", "sgn": "sign",
}  # fmt: skip


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
