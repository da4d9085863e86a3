"""The exact rung: two expressions that field axioms alone make equal, shown by one computation with fractions.

Every symbol, every constant (pi, e, i) and every function of something becomes a number drawn from a hash, equal things
an equal number: `sin(2x+1)` and `sin(1+2x)` draw the same, since their arguments have the same value. What is left are
two rational functions over the rationals, compared exactly at two points.

**The chance of a false "equal"** is that of Schwartz and Zippel: a difference of degree d that is not zero vanishes at
a point drawn from 2^61 values per coordinate with a chance of at most d / 2^61, at both points with (d / 2^61)^2, below
1e-30 for every d up to a thousand. No analysis is used, so that nothing here depends on where symbols are positive,
real or whole: equal here is equal wherever both sides are defined.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

from factory.verify.exact import MAX_ORDER, Undefined, Unsupported, exact_power, exact_quotient, laplace
from factory.verify.nodes import Apply, Constant, Matrix, Node, Number, Symbol

_POINTS = range(2)
_MAX_EXPONENT = 1000


def same_formally(gold: Node, prediction: Node) -> bool:
    """Whether field axioms make two expressions equal. False proves nothing."""
    try:
        return all(_Formal(point).value(gold) == _Formal(point).value(prediction) for point in _POINTS)
    except (Undefined, Unsupported):
        return False


def formal_ratio(over: Node, under: Node) -> Fraction | None:
    """c where field axioms make over = c * under for a fraction c other than 0; None proves nothing."""
    try:
        ratios = {exact_quotient(_Formal(point).value(over), _Formal(point).value(under)) for point in _POINTS}
    except (Undefined, Unsupported):
        return None
    ratio = ratios.pop()
    return None if ratios or ratio == 0 else ratio


class _Formal:
    """The walk over a tree at one point."""

    def __init__(self, point: int, bound: dict[str, str] | None = None) -> None:
        self.point = point
        self.bound = bound or {}

    def value(self, node: Node) -> Fraction:
        match node:
            case Number(value):
                return value
            case Symbol(name):
                return self._drawn("symbol", self.bound.get(name, name))
            case Constant(name) if name in ("pi", "e", "i"):
                return self._drawn("symbol", self.bound.get(name, "\\constant " + name))
            case Apply("determinant", (Matrix(rows),)) if len(rows) == len(rows[0]) <= MAX_ORDER:
                return self.value(laplace(rows))
            case Apply("sum" | "prod" as name, (Symbol(index), low, high, body)):
                inner = _Formal(self.point, {**self.bound, index: f"index {len(self.bound)}"})
                return self._drawn(name, self.value(low), self.value(high), inner.value(body))
            case Apply(name, args):
                return self._apply(name, [self.value(arg) for arg in args])
            case _:
                raise Unsupported(type(node).__name__)

    def _apply(self, name: str, v: list[Fraction]) -> Fraction:
        match name, v:
            case "+", [a, b]:
                return a + b
            case "*", [a, b]:
                return a * b
            case (("/" | "ratio"), [a, b]):
                return exact_quotient(a, b)
            case "neg", [a]:
                return -a
            case "percent", [a]:
                return a / 100
            case "^", [base, exponent] if exponent.denominator == 1 and abs(exponent) <= _MAX_EXPONENT:
                power = exact_power(base, exponent)
                assert power is not None
                return power
            case "sqrt", [a]:
                return self._drawn("^", a, Fraction(1, 2))
            case "abs", [a]:
                return self._drawn(name, abs(a))
            case (("max" | "min" | "gcd" | "lcm"), _):
                return self._drawn(name, *sorted(v))
            case _:
                return self._drawn(name, *v)

    def _drawn(self, kind: str, *of: Fraction | str) -> Fraction:
        # hexadecimal: Python refuses to write integers of thousands of decimal digits
        parts = [a if isinstance(a, str) else f"{a.numerator:x}/{a.denominator:x}" for a in of]
        key = "|".join([str(self.point), kind, *parts])
        return Fraction(1 + (int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") >> 3))
