"""When two answers count as the same."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from factory.recipe.fields import Positive
from factory.settings import Strict, added, operational


class EquivalencePolicy(Strict):
    """What counts as the same answer where mathematics alone does not say; one field per convention.

    The defaults accept a difference in writing that cannot hide a different answer, and refuse the rest. Whether the
    words of a problem make two answers the same (a direction vector up to a factor, an option letter and its content)
    is for the judge: these rules never see the problem.
    """

    percent: Literal["either", "number", "fraction"] = "either"
    """`10%` against a bare number: equal to 10 (the sign is a unit), to 0.1 (it divides), or to either."""
    degree: Literal["either", "number", "radian"] = "either"
    """`90^\\circ` against a bare number: equal to 90, to pi/2, or to either."""
    missing_unit: bool = True
    """`40` equals `40 cm`: a unit that only one side writes is ignored. Two different units never match unconverted."""
    missing_currency: bool = True
    """`10` equals `\\$10`."""
    rounded_digits: Annotated[int, Field(ge=2)] | None = 6
    """A decimal of at least this many significant digits equals the exact value that it rounds or truncates
    (0.333333 and 1/3). None: only exact values are equal. 3 accepts what a lenient human grader does."""
    rounded_sides: Literal["one", "both"] = added("one")
    """One side is a decimal and the other an exact value, or both are decimals of which one rounds or truncates the
    other (0.3333 and 0.33333)."""
    rounded_lists: bool = added(True)
    """Decimals may also be rounded inside lists, tuples, sets, intervals and matrices."""
    rounded_coefficients: bool = added(False)
    """Decimals may also be rounded where they are coefficients of a sum: `0.333333x + 1` equals `x/3 + 1`."""
    decimal_comma: bool = True
    """`2,74` equals `2.74` where the comma cannot group thousands."""
    assignment_prefix: bool = True
    """`x = 5`, `f(x) = 5` and `|AB| = 5` equal `5`: a name before the sign only says what the value is of."""
    equation_value: bool = False
    """`(x+y)^2 = 81` equals `81`: also an expression before the sign counts as a name."""
    equation_chain: bool = True
    """`x = 1 + 1 = 2` stands for `x = 2`: the last member of a chain is the answer."""
    approximation: bool = True
    """`1/3 \\approx 0.333` stands for `1/3`, and `x \\approx 11` for `11`."""
    membership_prefix: bool = True
    """`x \\in [0, 1]` and `0 <= x <= 1` equal `[0, 1]`."""
    list_order: Literal["ignore", "keep"] = "ignore"
    """Whether `6, -2` equals `-2, 6`. Tuples and intervals always keep their order, sets never do."""
    list_as_tuple: bool = True
    """`1, 3` without brackets equals `(1, 3)`, in this order only. A set in braces never equals a tuple."""
    boxes: Literal["adjacent", "last"] = "adjacent"
    """Boxes that follow each other (`\\boxed{1} and \\boxed{2}`) are one list, or only the last one counts."""


class Verify(Strict):
    """When two answers count as the same."""

    policy: EquivalencePolicy = EquivalencePolicy()
    timeout_s: Annotated[float, Field(gt=0)] = 5.0
    """Budget of one pair; past it the pair is undecided."""
    workers: Positive = operational(1)
    """Killable checker processes per program worker."""
    memory_mb: Positive = operational(2048)
    judge: Literal["never", "undecided", "unequal"] = "never"
    """Which pairs the LLM judge sees besides the rules."""
