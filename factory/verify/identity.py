"""Whether two expressions are one: a ladder from what is proved to what is seen at many points.

1. *Exact.* Values that are fractions are compared as fractions; what field axioms alone make equal is found by
   `formal` (chance of a false "equal" below 1e-30), and constants by as many digits as show it.
2. *Points.* Everything else is compared at points chosen from the structure of both trees (`points`): exactly where
   the value is a fraction, else to 30 digits, and to 240 where a difference or a doubt shows. One point that tells two
   expressions apart proves that they are not equal.
3. Else undecided: too few points where both are defined, too many breaks, domains that differ.

**The chance of a false "equal" by points.** Between two breaks both expressions are analytic, so a difference that is
not zero there vanishes at a point drawn from 2^20 values with a chance of at most its number of zeros in that piece
over 2^20. With one symbol every piece between the breaks that were found holds several points: a false "equal" needs a
break that was missed (an equation that no sign change on a grid from -1000 to 1000 shows) and no point beyond it. With
several symbols the pieces are crossed along the axes and hit by some forty joint points: a piece that takes the share q
of them by sign, order and magnitude is missed with (1 - q)^40, 1 in 40,000 for a quarter of all, and what stands on
none of the axes' breaks and in less than a tenth of the rest may pass with 1 in 70. For whole numbers every value from
-7 to 24 and some far ones are tried, and the neighbours of every break.

A symbol is whole where the answer says so (`rules.parameters`) or convention does (n, k, m, ...): equal at
whole numbers is then equal, and the verdict says that it holds for whole numbers only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from factory.verify.evaluate import digits_of, value_of
from factory.verify.exact import NotReal, TooLarge, Undefined, Unsupported, exact
from factory.verify.formal import formal_ratio, same_formally
from factory.verify.nodes import Apply, Constant, Node, Number, Symbol, symbols
from factory.verify.points import Point, break_points, is_axis, joint_points

_WHOLE = frozenset("ijklmnNMK")
"""Symbols that stand for whole numbers by convention."""
_REAL = frozenset("xyztuvw") | {"\\theta", "\\phi", "\\varphi", "\\alpha", "\\beta", "\\gamma", "\\omega"}
"""Symbols that never do. All others (a, p, r, ...) may be either, which only a reader of the problem can say."""
PARAMETER = "#"
"""First character of the name of a whole parameter that an answer declares."""
_ENOUGH = 6
"""Points at which both sides must be defined, where that many were tried."""
_THOROUGH = 4
"""Points at which a hundred digits are compared: `x` and `x + 10^{-30}` differ everywhere, but by little."""
_LARGEST = 1e80
"""Inexact values above it hide a summand of 1 from a hundred digits."""
_FIRST_DIGITS, _SECOND_DIGITS = 30, 240


@dataclass(frozen=True, slots=True)
class Sameness:
    """`equal` is None if the ladder did not settle it; `how` is the rung, or the reason why not."""

    equal: bool | None
    how: str


def same_value(gold: Node, prediction: Node) -> bool | None:
    """Whether two expressions have the same value wherever both are defined; None if that cannot be told."""
    return sameness(gold, prediction).equal


def sameness(gold: Node, prediction: Node) -> Sameness:
    """`same_value`, with the rung that decided."""
    names = sorted(symbols(gold) | symbols(prediction))
    if not names:
        return _same_constant(gold, prediction)
    if same_formally(gold, prediction):
        return Sameness(True, "exact")
    conventional = frozenset(name for name in names if _is_whole(name))
    if conventional and (_is_discrete(gold) or _is_discrete(prediction)):
        whole = _at_points(gold, prediction, names, conventional)
        return Sameness(True, "whole numbers") if whole.equal else whole
    real = _at_points(gold, prediction, names, frozenset(n for n in conventional if n.startswith(PARAMETER)))
    if real.equal or real.how == "unknown operation":
        return real
    if conventional:
        whole = _at_points(gold, prediction, names, conventional)
        if whole.equal:
            return Sameness(True, "whole numbers")
        if whole.equal is False or real.equal is None:
            return whole
    possible = frozenset(name for name in names if _base(name) not in _REAL)
    counted = real.equal is False and possible > conventional and (_counts(gold) or _counts(prediction))
    if counted and _at_points(gold, prediction, names, possible).equal:
        return Sameness(None, "equal for whole numbers only")
    return real


def constant_ratio(over: Node, under: Node) -> Any:
    """over / under where that is one real constant at every point tried; None if it varies or cannot be told."""
    if (proved := formal_ratio(over, under)) is not None:
        return value_of(Number(proved))
    names = sorted(symbols(over) | symbols(under))
    around = break_points((over, under), names, frozenset())
    if around is None:
        return None
    ratios: list[Any] = []
    for point in [*joint_points(names, frozenset()), *around]:
        try:
            one, other = exact(over, point), exact(under, point)
            if one is None or other is None:
                one, other = (value_of(side, dict(point), real=True) for side in (over, under))
        except Undefined:
            continue
        except Unsupported:
            return None
        if other == 0 or one == 0:
            if one != other:
                return None
            continue
        ratio = one / other
        ratios.append(value_of(Number(ratio)) if isinstance(ratio, Fraction) else ratio)
        if abs(ratios[-1] - ratios[0]) > abs(ratios[0]) * digits_of(50).mpf("1e-20"):
            return None
    return ratios[0] if len(ratios) >= _ENOUGH else None


def _base(name: str) -> str:
    return re.split(r"[_']", name, maxsplit=1)[0] or name


def _is_whole(name: str) -> bool:
    return name.startswith(PARAMETER) or _base(name) in _WHOLE


def _is_discrete(node: Node) -> bool:
    """Whether an expression has values at whole numbers only, to everyone but an analyst."""
    match node:
        case Apply("factorial" | "double_factorial" | "binom" | "gcd" | "lcm" | "sum" | "prod", _):
            return bool(symbols(node))
        case Apply(_, args):
            return any(_is_discrete(arg) for arg in args)
        case _:
            return False


def _counts(node: Node) -> bool:
    """Whether an expression does something that only whole numbers make sense of."""
    match node:
        case Apply("floor" | "ceil" | "mod" | "factorial" | "binom" | "gcd" | "lcm", _):
            return True
        case Apply("^", (base, exponent)) if symbols(exponent) and not symbols(base):
            return True
        case Apply("sin" | "cos" | "tan" | "exp", _):
            return True
        case Apply(_, args):
            return any(_counts(arg) for arg in args)
        case _:
            return False


def _same_constant(gold: Node, prediction: Node) -> Sameness:
    try:
        one, other = exact(gold), exact(prediction)
        if one is not None and other is not None:
            return Sameness(one == other, "exact")
        if same_formally(gold, prediction):
            return Sameness(True, "exact")
        return Sameness(_agree(gold, prediction, {}, real=False), "digits")
    except (Undefined, Unsupported) as error:
        return Sameness(None, str(error))


def _at_points(gold: Node, prediction: Node, names: list[str], whole: frozenset[str]) -> Sameness:
    """Compare at the points that the structure asks for, with the symbols in `whole` at whole numbers."""
    around = break_points((gold, prediction), names, whole)
    points = [*joint_points(names, whole), *(around or [])]
    real = not (_is_complex(gold) or _is_complex(prediction))
    if real:
        verdict = _compare_at(points, gold, prediction, real=True)
        if verdict.how != "nowhere real":
            return Sameness(None, "too many breaks") if verdict.equal and around is None else verdict
    if _has_parts(gold) or _has_parts(prediction):
        return _compare_at([_off_axis(point, whole) for point in points[:16]], gold, prediction, real=False)
    return _compare_at(points[:16], gold, prediction, real=False)


def _off_axis(point: Point, whole: frozenset[str]) -> dict[str, Any]:
    """Complex numbers for the symbols: a conjugate is no other thing on the real axis."""
    return {
        name: value if name in whole else complex(float(value), 1.25 + float(value) / 3)
        for name, value in point.items()
    }


def _compare_at(points: Sequence[Mapping[str, Any]], gold: Node, prediction: Node, *, real: bool) -> Sameness:
    agreed = tried = 0
    conflict = False
    for point in points:
        tried += 1
        try:
            if not _agree(gold, prediction, point, real=real, thorough=agreed < _THOROUGH):
                return Sameness(False, "points")
        except NotReal:
            conflict = conflict or (is_axis(point) and _differ_in_domain(gold, prediction, point))
            continue
        except (Undefined, TooLarge):
            continue
        except Unsupported:
            return Sameness(None, "unknown operation")
        agreed += 1
    if agreed < min(_ENOUGH, tried):
        return Sameness(None, "nowhere real" if real else "hardly anywhere defined")
    return Sameness(None, "domains differ") if conflict else Sameness(True, "points")


def _differ_in_domain(gold: Node, prediction: Node, point: Mapping[str, Any]) -> bool:
    """Whether just one side is real at a point, and not by a law that holds for complex numbers too.

    `ln x` is not `ln|x|`; `sqrt(x) sqrt(x)` is x, though it has no real value where x is negative.
    """
    defined = 0
    for side in (gold, prediction):
        try:
            value_of(side, dict(point), digits=20, real=True)
            defined += 1
        except (Undefined, Unsupported):
            continue
    if defined != 1:
        return False
    try:
        return not _agree(gold, prediction, point, real=False)
    except (Undefined, Unsupported):
        return False


def _agree(gold: Node, prediction: Node, at: Mapping[str, Any], *, real: bool, thorough: bool = True) -> bool:
    """Equal as fractions, or to 20 digits; to 100 if asked, or where there is a difference or a value near zero."""
    one, other = exact(gold, at), exact(prediction, at)
    if one is not None and other is not None:
        return one == other
    scale, difference = _difference(gold, prediction, at, _FIRST_DIGITS, real)
    if scale > _LARGEST:
        raise Undefined("too large to see a difference")
    if not thorough and difference <= scale * 1e-20 and scale > 1e-6:
        return True
    first = scale
    scale, difference = _difference(gold, prediction, at, _SECOND_DIGITS, real)
    # a value that shrinks with the precision is rounding noise around zero
    context = digits_of(_SECOND_DIGITS)
    is_zero = scale <= first * context.mpf("1e-25") and scale < context.mpf("1e-25")
    return bool(is_zero or difference <= scale * context.mpf("1e-100"))


def _difference(gold: Node, prediction: Node, at: Mapping[str, Any], digits: int, real: bool) -> tuple[Any, Any]:
    one, other = (value_of(side, dict(at), digits=digits, real=real) for side in (gold, prediction))
    scale = max(abs(one), abs(other))
    if not digits_of(digits).isfinite(scale):
        raise Undefined("not finite")
    return scale, abs(one - other)


def _has_parts(node: Node) -> bool:
    """Whether an expression looks at the parts of a complex number."""
    if not isinstance(node, Apply):
        return False
    return node.name in ("conj", "re", "im", "arg") or any(_has_parts(arg) for arg in node.args)


def _is_complex(node: Node) -> bool:
    if isinstance(node, Apply) and node.name in ("sum", "prod") and node.args[0] == Symbol("i"):
        return False
    if node == Constant("i") or (isinstance(node, Apply) and node.name in ("conj", "re", "im", "arg", "cis")):
        return True
    return isinstance(node, Apply) and any(_is_complex(arg) for arg in node.args)
