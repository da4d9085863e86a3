"""Evaluate a tree to many digits, at given values of its symbols, in real or complex arithmetic."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from operator import eq, gt, lt, ne
from typing import Any

from mpmath import MPContext

from factory.verify.exact import MAX_ORDER, NotReal, TooLarge, Undefined, Unsupported, exact, laplace
from factory.verify.nodes import Apply, Constant, Matrix, Node, Number, Relation, Symbol

_MAX_EXPONENT = 10**9
_MAX_FACTORIAL = 10**6
_MAX_TERMS = 500


def value_of(node: Node, at: dict[str, Any] | None = None, *, digits: int = 50, real: bool = False) -> Any:
    """The value as an mpmath number of `digits` digits. Raises Undefined or Unsupported."""
    context = digits_of(digits)
    try:
        return _Evaluation(context, at or {}, real).value(node)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise Undefined(str(error)) from None


@lru_cache(maxsize=4096)
def coordinate(name: str, point: int) -> Fraction:
    """A fixed pseudo-random value: of every three points one above 1, one below, one of any sign."""
    draw = int.from_bytes(hashlib.blake2b(f"{name}@{point}".encode(), digest_size=7).digest(), "big")
    unit = Fraction(draw, 1 << 56)
    order = point % 3
    if order == 0:
        return 1 + 2 * unit
    return unit if order == 1 else (4 * unit - 2)


@lru_cache(maxsize=8)
def digits_of(digits: int) -> Any:
    """The mpmath context that computes with so many digits."""
    context = MPContext()
    context.dps = digits
    return context


class _Evaluation:
    """One walk over a tree at one point."""

    def __init__(self, context: Any, at: dict[str, Any], real: bool) -> None:
        self.mp, self.at, self.real = context, at, real

    def value(self, node: Node) -> Any:
        match node:
            case Number(value):
                return self._fraction(value)
            case Symbol(name):
                if name not in self.at:
                    raise Unsupported(f"symbol {name}")
                value = self.at[name]
                if isinstance(value, complex):
                    return self.mp.mpc(value)
                return self._fraction(value) if isinstance(value, Fraction) else value
            case Constant("pi"):
                return +self.mp.pi
            case Constant("e"):
                return +self.mp.e
            case Constant("i"):
                return self.mp.mpf(self.at["i"].numerator) if "i" in self.at else self.mp.mpc(0, 1)  # or a sum's index
            case Constant("oo"):
                raise Undefined("infinity")
            case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_ORDER:
                return self.value(laplace(rows))
            case Apply("sum" | "prod" as name, (Symbol(index), low, high, body)):
                return self._series(name, index, self.value(low), self.value(high), body)
            case Apply("piecewise", parts):
                return self._piecewise(parts)
            case Apply("^", (base, exponent)) if self.real and _is_odd_root(exponent) and self.value(base) < 0:
                raise Undefined("a rational power of a negative number is read in two ways")
            case Apply(name, args):
                return self._checked(self._apply(name, [self.value(arg) for arg in args]))
            case _:
                raise Unsupported(type(node).__name__)

    def _fraction(self, value: Fraction) -> Any:
        whole = self.mp.mpf(value.numerator)
        return whole if value.denominator == 1 else whole / value.denominator

    def _series(self, name: str, index: str, low: Any, high: Any, body: Node) -> Any:
        if low != int(low.real) or high != int(high.real):
            raise Undefined("bounds that are no integers")
        if high < low:
            raise Undefined("no terms")  # zero by convention, and often not by the closed form
        if high - low > _MAX_TERMS:
            raise TooLarge("terms")
        total = self.mp.mpf(name == "prod")
        for k in range(int(low.real), int(high.real) + 1):
            term = _Evaluation(self.mp, {**self.at, index: Fraction(k)}, self.real).value(body)
            total = total + term if name == "sum" else total * term
        return total

    def _piecewise(self, parts: tuple[Node, ...]) -> Any:
        for value, condition in zip(parts[::2], parts[1::2], strict=True):
            if isinstance(condition, Relation) and self._holds(condition):
                return self.value(value)
        raise Undefined("no case applies")

    def _holds(self, relation: Relation) -> bool:
        values = [self.value(member) for member in relation.members]
        for sign, (left, right) in zip(relation.signs, pairwise(values), strict=True):
            close = abs(left - right) < self.mp.mpf(10) ** (6 - self.mp.dps) * max(1, abs(left))
            if not (sign in ("=", "<=", ">=") if close else _ORDER[sign](left, right)):
                return False
        return True

    def _checked(self, value: Any) -> Any:
        if self.real and isinstance(value, self.mp.mpc):
            raise NotReal("not real")
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
            case "permille":
                return v[0] / 1000
            case "abs":
                return abs(v[0])
            case "factorial" | "double_factorial":
                if abs(v[0]) > _MAX_FACTORIAL:
                    raise TooLarge("factorial")
                if mp.re(v[0]) < 0:
                    raise Undefined("factorial of a negative number")
                return mp.factorial(v[0]) if name == "factorial" else mp.fac2(v[0])
            case "binom":
                if max(abs(v[0]), abs(v[1])) > _MAX_FACTORIAL:
                    raise TooLarge("binomial")
                if mp.re(v[0]) < 0:
                    raise Undefined("binomial of a negative number")
                return mp.binomial(v[0], v[1])
            case "log" | "ln":
                if v[0] == 0:
                    raise Undefined("logarithm of zero")
                return mp.log(v[0]) / mp.log(v[1]) if len(v) == 2 else mp.log(v[0])
            case "exp":
                return self._power(+mp.e, v[0])
            case "mod":
                return v[0] - v[1] * self._whole(mp.floor, v[0] / v[1])
            case "max" | "min" if len(v) > 1:
                return (max if name == "max" else min)(v)
            case "floor" | "ceil":
                return self._whole(mp.floor if name == "floor" else mp.ceil, v[0])
            case "conj" | "re" | "im" | "arg":
                return getattr(mp, name)(v[0])
            case "cis":
                return mp.cos(v[0]) + mp.mpc(0, 1) * mp.sin(v[0])
            case "gcd" | "lcm":
                return self._integers(math.gcd if name == "gcd" else math.lcm, v)
            case _ if name.endswith("()"):
                return self._unknown(name, v)
            case _ if name in _ONE_ARGUMENT and len(v) == 1:
                return getattr(mp, _ONE_ARGUMENT[name])(v[0])
        raise Unsupported(name)

    def _whole(self, rounding: Any, value: Any) -> Any:
        """Floor or ceiling; a value that is whole but for rounding noise is that whole number."""
        nearest = self.mp.nint(value)
        noise = self.mp.mpf(10) ** (6 - self.mp.dps) * max(1, abs(value))
        return nearest if abs(value - nearest) < noise else rounding(value)

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
        own = self.at.get(name[:-2], Fraction(0))  # another function at every point, or g(2) would be a number
        shift = self.mp.mpf(own.numerator) / own.denominator if isinstance(own, Fraction) else self.mp.mpc(own)
        for place, value in enumerate(values):
            a, b = coordinate(name, 3 * place), coordinate(name, 3 * place + 1)
            angle = value * a.numerator / a.denominator + self.mp.mpf(b.numerator) / b.denominator + shift
            total += self.mp.sin(angle) * (place + 1)
        return total


def _is_odd_root(exponent: Node) -> bool:
    """Whether an exponent has an odd denominator: x^(2/3) is real to some where x is negative, undefined to others."""
    if isinstance(exponent, Number) and exponent.value.denominator == 1:
        return False
    value = exact(exponent)
    return value is not None and value.denominator > 1 and value.denominator % 2 == 1


_ORDER = {"<": lt, "<=": lt, ">": gt, ">=": gt, "!=": ne, "=": eq}
_ONE_ARGUMENT = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "coth": "coth", "sech": "sech", "csch": "csch",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "sgn": "sign",
}  # fmt: skip
