"""Whether two expressions are one: exactly where they are rational, else to many digits at points for their symbols.

Two expressions that agree at several random points to 40 digits are the same expression; one point that tells them
apart proves that they are not (Schwartz and Zippel's test, with reals in place of a finite field). This decides in
microseconds to milliseconds what symbolic simplification decides in seconds or never.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from factory.verify.evaluate import INTEGER_NAMES, coordinate, digits_of, value_of
from factory.verify.exact import Undefined, Unsupported, exact
from factory.verify.nodes import Apply, Constant, Node, Symbol, symbols

_REAL_POINTS = range(9)
_INTEGER_POINTS = range(100, 108)


def same_value(gold: Node, prediction: Node) -> bool | None:
    """Whether two expressions have the same value wherever both are defined; None where that cannot be told."""
    names = sorted(symbols(gold) | symbols(prediction))
    if not names:
        return _same_constant(gold, prediction)
    imaginary = _mentions_i(gold) or _mentions_i(prediction)
    for points in [_REAL_POINTS] if not imaginary else []:
        if (decided := _same_at(gold, prediction, names, points, real=True)) is not None:
            return decided
    if any(name in INTEGER_NAMES for name in names):
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
        if abs(ratios[-1] - ratios[0]) > abs(ratios[0]) * digits_of(50).mpf("1e-30"):
            return None
    return ratios[0] if len(ratios) >= 3 else None


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
        context = digits_of(digits)
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


def _mentions_i(node: Node) -> bool:
    if isinstance(node, Apply) and node.name in ("sum", "prod") and node.args[0] == Symbol("i"):
        return False
    return node == Constant("i") or (isinstance(node, Apply) and any(_mentions_i(arg) for arg in node.args))
