"""Each convention of the policy: what its default accepts, and what another choice does with the same pair."""

from __future__ import annotations

import pytest

from factory.errors import FactoryError
from factory.recipe import EquivalencePolicy
from factory.settings import validate
from factory.verify import equivalent

CONVENTIONS = [
    ("25\\%", "25", {"percent": "number"}, True),
    ("25\\%", "25", {"percent": "fraction"}, False),
    ("25\\%", "0.25", {"percent": "fraction"}, True),
    ("25\\%", "0.25", {"percent": "number"}, False),
    ("25\\%", "0.25", {}, True),
    ("90^\\circ", "90", {"degree": "radian"}, False),
    ("90^\\circ", "\\pi/2", {"degree": "radian"}, True),
    ("90^\\circ", "\\pi/2", {"degree": "number"}, False),
    ("40", "40\\text{ cm}", {}, True),
    ("40", "40\\text{ cm}", {"missing_unit": False}, False),
    ("\\$10", "10", {"missing_unit": False}, True),
    ("\\$10", "10", {"missing_currency": False}, False),
    ("1/3", "0.3333", {}, False),
    ("1/3", "0.3333", {"rounded_digits": 3}, True),
    ("1/3", "0.333333333", {"rounded_digits": None}, False),
    ("1/2", "0.5", {"rounded_digits": None}, True),
    ("0.33333", "0.3333", {"rounded_digits": 4}, False),
    ("0.33333", "0.3333", {"rounded_digits": 4, "rounded_sides": "both"}, True),
    ("0.3333", "0.33333", {"rounded_digits": 4, "rounded_sides": "both"}, True),
    ("0.33333", "0.333", {"rounded_digits": 4, "rounded_sides": "both"}, False),
    ("0.33333", "0.3343", {"rounded_digits": 4, "rounded_sides": "both"}, False),
    ("(1/3, 2)", "(0.333333, 2)", {}, True),
    ("(1/3, 2)", "(0.333333, 2)", {"rounded_lists": False}, False),
    ("[1/3, 2]", "[0.333333, 2]", {"rounded_lists": False}, False),
    ("1/3", "0.333333", {"rounded_lists": False}, True),
    ("x/3 + 1", "0.333333x + 1", {}, False),
    ("x/3 + 1", "0.333333x + 1", {"rounded_coefficients": True}, True),
    ("x/3 + 1", "0.3333x + 1", {"rounded_coefficients": True}, False),
    ("x/3 + 1", "0.333333x + 2", {"rounded_coefficients": True}, False),
    ("x/3 - y/7", "0.333333x + 0.142857y", {"rounded_coefficients": True}, False),
    ("x/3 - y/7", "0.333333y - 0.142857x", {"rounded_coefficients": True}, False),
    ("1/2 + i\\sqrt{3}/2", "0.5 + 0.866025i", {"rounded_coefficients": True}, True),
    ("\\pi/3", "0.333333\\pi", {"rounded_coefficients": True}, True),
    ("x^3/3", "0.333333x^2", {"rounded_coefficients": True}, False),
    ("2,74", "2.74", {}, True),
    ("2,74", "2.74", {"decimal_comma": False}, False),
    ("5", "x = 5", {}, True),
    ("5", "x = 5", {"assignment_prefix": False}, False),
    ("81", "(x+y)^2 = 81", {}, False),
    ("81", "(x+y)^2 = 81", {"equation_value": True}, True),
    ("2", "x = 1 + 1 = 2", {}, True),
    ("2", "x = 1 + 1 = 2", {"equation_chain": False}, False),
    ("\\frac13", "\\frac13 \\approx 0.333", {}, True),
    ("\\frac13", "\\frac13 \\approx 0.333", {"approximation": False}, False),
    ("[0,1]", "0 \\leq x \\leq 1", {}, True),
    ("[0,1]", "0 \\leq x \\leq 1", {"membership_prefix": False}, False),
    ("[0,1]", "x \\in [0,1]", {"membership_prefix": False}, False),
    ("6, -2", "-2, 6", {}, True),
    ("6, -2", "-2, 6", {"list_order": "keep"}, False),
    ("1, 3", "(1, 3)", {}, True),
    ("1, 3", "(1, 3)", {"list_as_tuple": False}, False),
    ("1, 2", "\\boxed{1} and \\boxed{2}", {}, True),
    ("1, 2", "\\boxed{1} and \\boxed{2}", {"boxes": "last"}, False),
    ("2", "\\boxed{1} and \\boxed{2}", {"boxes": "last"}, True),
]


@pytest.mark.parametrize(("gold", "prediction", "choice", "equal"), CONVENTIONS)
def test_convention(gold, prediction, choice, equal):
    policy = EquivalencePolicy(**choice)
    assert (equivalent(gold, prediction, policy).equal is True) is equal


def test_every_convention_is_exercised():
    touched = {key for _, _, choice, _ in CONVENTIONS for key in choice}
    assert touched == set(EquivalencePolicy.model_fields)


def test_every_convention_is_documented():
    assert all(field.description for field in EquivalencePolicy.model_fields.values())


def test_a_misspelt_convention_is_an_error_that_names_the_right_one():
    with pytest.raises(FactoryError, match="percent"):
        validate(EquivalencePolicy, {"percents": "number"}, "recipe.yaml")
