"""The echo says what IPython says, up to line breaks and addresses."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import math
import re

import numpy
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.lib.pretty import pretty

from factory.sandbox.inside.echo import echo

Point = collections.namedtuple("Point", "x y")
Colour = enum.Enum("Colour", "RED")


class Bag(list):
    pass


class Loud(list):
    def __repr__(self) -> str:
        return "LOUD"


class Plain:
    pass


def ipython(value: object) -> str:
    return re.sub(r" at 0x[0-9a-f]+(?=>)", "", pretty(value, max_width=10**9))


VALUES = [
    *(1, -1.5, 1e300, float("nan"), 1 + 2j, True, None, ..., "a'b", "a\nb", b"x", range(3), slice(1, 2)),
    *([], [1], (), (1,), (1, 2), {}, {"a": [1, {2}]}, set(), {3, 1, 2}, {"b", "a"}, frozenset(), frozenset({2, 1})),
    *({1, "a"}, {(1, 2), (0, 5)}, [None, [None]], {1: None}, [[]], [{}], [()]),
    *(Point(1, 2), Colour.RED, Bag([1]), Loud([1]), [Loud()], Plain(), [Plain()], Plain, [int, str], len, math.sin),
    *(ipython, pytest.raises, "".join, lambda x, y=1: x, ValueError("x"), ValueError),
    *(collections.Counter("aab"), collections.Counter(), collections.defaultdict(list, {1: [2]})),
    *(collections.defaultdict(int), collections.deque([1, 2]), collections.deque([1], maxlen=3)),
    *({1: 2}.keys(), {1: 2}.values(), {1: 2}.items(), iter([1]), zip([1], [2], strict=True), map(abs, [1])),
    *(fractions.Fraction(1, 3), decimal.Decimal("1.10"), datetime.date(2024, 2, 29), datetime.timedelta(1)),
    *(sympy.sqrt(2), [sympy.Rational(1, 3)], sympy.FiniteSet(2, 1), {sympy.Symbol("x"): 1}, sympy.Matrix([[1, 2]])),
    *(sympy.Matrix([[1, 2], [3, 4]]), {sympy.sqrt(2), -sympy.sqrt(2)}, sympy.S.true, sympy.Eq(sympy.Symbol("x"), 1)),
    *(numpy.float64(0.5), [numpy.int64(3)], numpy.array([1.5, 2]), numpy.eye(2), numpy.array(5), numpy.bool_(True)),
    *(list(range(2000)), {i: i for i in range(1500)}, set(range(1001)), tuple(range(1001))),
]


@pytest.mark.parametrize("value", VALUES, ids=map(str, range(len(VALUES))))
def test_agrees_with_ipython(value: object) -> None:
    assert squeezed(echo(value)) == squeezed(ipython(value))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.fractions()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.integers())
    ),
    max_leaves=20,
)


@given(values)
@settings(max_examples=150)
def test_agrees_with_ipython_on_any_nesting(value: object) -> None:
    assert echo(value) == ipython(value)


def test_matrices_in_a_list_keep_their_columns() -> None:
    assert echo([sympy.Matrix([[1, 2], [3, 4]])]) == "[Matrix([\n [1, 2],\n [3, 4]])]"


def test_cycles_end() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    assert echo(loop) == "[1, [...]]"
    table: dict[str, object] = {}
    table["self"] = table
    assert echo(table) == "{'self': {...}}"


def test_an_address_in_a_string_stays() -> None:
    assert echo("<x at 0x7f0000000000>") == "'<x at 0x7f0000000000>'"


def squeezed(text: str) -> str:
    return " ".join(text.split())
