"""Random expressions with breaks, their mutations and their rewritings: what is called equal is equal everywhere.

The reference is not the checker's own evaluator: every expression is built twice, as LaTeX and as a Python function of
fractions, and the functions are compared on a dense grid that knows nothing of how the checker picks its points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from factory.verify import equivalent

GRID = sorted({Fraction(k, 4) for k in range(-140, 141)} | {Fraction(k) for k in range(-420, 421, 7)})
Function = Callable[[Fraction], Fraction]


@dataclass(frozen=True)
class Expression:
    """One function of one symbol, written in LaTeX with `@` for the symbol, and as Python."""

    latex: str
    function: Function

    def of(self, name: str) -> str:
        return self.latex.replace("@", name)


def same_on_grid(one: Expression, other: Expression, *, whole: bool) -> bool:
    places = [place for place in GRID if not whole or place.denominator == 1]
    return all(one.function(place) == other.function(place) for place in places)


@st.composite
def linear(draw: st.DrawFn) -> Expression:
    a, b = draw(st.sampled_from([-3, -2, -1, 1, 2, 3])), draw(st.integers(-25, 25))
    return Expression(f"({a}@{b:+d})", lambda x: a * x + b)


@st.composite
def broken(draw: st.DrawFn) -> Expression:
    """An expression with a break, and whatever a slip may change in it: a sign, a bound, a modulus."""
    inner = draw(linear())
    f = inner.function
    k = draw(st.integers(2, 13))
    match draw(st.sampled_from(["abs", "floor", "ceil", "mod", "root", "min", "max"])):
        case "abs":
            return Expression(f"|{inner.latex}|", lambda x: abs(f(x)))
        case "floor":
            return Expression(rf"\lfloor\frac{{{inner.latex}}}{{{k}}}\rfloor", lambda x: Fraction(math.floor(f(x) / k)))
        case "ceil":
            return Expression(rf"\lceil\frac{{{inner.latex}}}{{{k}}}\rceil", lambda x: Fraction(math.ceil(f(x) / k)))
        case "mod":
            return Expression(rf"({inner.latex} \bmod {k})", lambda x: f(x) % k)
        case "root":
            return Expression(rf"\sqrt{{{inner.latex}^2}}", lambda x: abs(f(x)))
        case "min":
            return Expression(rf"\min({inner.latex}, {k})", lambda x: min(f(x), Fraction(k)))
        case _:
            return Expression(rf"\max({inner.latex}, {k})", lambda x: max(f(x), Fraction(k)))


def added(one: Expression, other: Expression) -> Expression:
    return Expression(f"{one.latex}+{other.latex}", lambda x: one.function(x) + other.function(x))


expressions = st.one_of(broken(), linear(), st.builds(added, broken(), linear()), st.builds(added, broken(), broken()))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(expressions, expressions, st.sampled_from(["x", "n", "p"]))
def test_two_random_expressions_are_equal_only_where_their_functions_are(one, other, name):
    verdict = equivalent(one.of(name), other.of(name))
    if verdict.equal:
        assert same_on_grid(one, other, whole=verdict.detail == "for whole numbers"), (one.of(name), other.of(name))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(broken(), linear(), st.integers(0, 3), st.sampled_from(["t", "m", "a"]))
def test_a_slip_is_not_equal(whole, rest, slip, name):
    """A law taken for its inner expression, a sign, a summand or a step off."""
    right = added(whole, rest)
    f, g = whole.function, rest.function
    wrong = (
        Expression(f"{whole.latex}-{rest.latex}", lambda x: f(x) - g(x)),
        Expression(f"{whole.latex}+{rest.latex}+1", lambda x: f(x) + g(x) + 1),
        Expression(f"-{whole.latex}+{rest.latex}", lambda x: -f(x) + g(x)),
        Expression(f"|{whole.latex}|+{rest.latex}", lambda x: abs(f(x)) + g(x)),
    )[slip]
    verdict = equivalent(right.of(name), wrong.of(name))
    if not same_on_grid(right, wrong, whole=verdict.detail == "for whole numbers"):
        assert verdict.equal is not True, (right.of(name), wrong.of(name))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(broken(), linear(), st.integers(1, 9), st.sampled_from(["x", "n"]))
def test_a_rewriting_is_equal(whole, rest, k, name):
    """Re-ordered, multiplied out and typeset again: found every time, which field axioms alone see to."""
    left = f"{k}({whole.latex}+{rest.latex})".replace("@", name)
    right = rf"{rest.latex}\cdot {k}+{k}\left({whole.latex}\right)".replace("@", name)
    assert equivalent(left, right).equal is True, (left, right)
