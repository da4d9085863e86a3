# ruff: noqa: SIM905 - a table of words reads better as text
"""The last resort: math-verify, for notation that our own parser does not read (integrals, sums, limits, set builders).

Slow and without bounds of its own here: its timeouts use signals, which need the main thread, so they are off, and the
checker's kill stands in for them. Only answers that are formulas come here; prose would be searched for numbers.
"""

from __future__ import annotations

import logging
import re
from functools import cache, lru_cache
from typing import Any

from factory.verify.result import Equivalence, undecided


def compare_symbolically(gold: str, prediction: str) -> Equivalence:
    """Two cleaned formulas through math-verify."""
    unknown = (_commands(gold) | _commands(prediction)) - _READ
    if unknown:
        return undecided(f"unreadable: {sorted(unknown)[0]}")
    one, other = _parse(gold), _parse(prediction)
    if not one or not other:
        return undecided("unreadable")
    try:
        equal = _library().verify(list(one), list(other), float_rounding=12, timeout_seconds=None, strict=True)
    except MemoryError:
        raise
    except Exception as error:  # sympy raises what it likes
        return undecided(f"math-verify: {type(error).__name__}")
    if equal:
        return Equivalence(True, "math_verify")
    return Equivalence(False, "math_verify") if _are_different_numbers(one[0], other[0]) else undecided("math-verify")


_COMMAND = re.compile(r"\\([A-Za-z]+)")
_READ = frozenset(
    (
        "int iint oint sum prod lim to infty frac sqrt cdot pi sin cos tan cot sec csc arcsin arccos arctan sinh cosh "
        "tanh ln log exp binom left right leq geq neq alpha beta gamma theta lambda mu phi varphi omega epsilon cup "
        "cap setminus in mathbb emptyset pm percent degree"
    ).split()
)
"""Commands that math-verify is known to read; it drops others without a word, and compares what is left."""


def _commands(formula: str) -> set[str]:
    return set(_COMMAND.findall(formula))


def _are_different_numbers(one: Any, other: Any) -> bool:
    """Whether both are numbers, and clearly apart: the only "not equal" that does not hang on how a text was read."""
    try:
        if one.free_symbols or other.free_symbols:
            return False
        values = [complex(side.evalf(30)) for side in (one, other)]
    except MemoryError:
        raise
    except Exception:  # sympy raises what it likes
        return False
    return abs(values[0] - values[1]) > 1e-9 * max(map(abs, values))


def warm_up() -> None:
    """Import math-verify and sympy, and build the tables that they build at first use."""
    compare_symbolically("\\sqrt{8}", "2\\sqrt{2}")


def is_warm() -> bool:
    return _library.cache_info().currsize > 0


@cache
def _library() -> Any:
    import math_verify

    for name in ("math_verify.parser", "math_verify.grader", "math_verify.utils", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # one warning per call about timeouts
    return math_verify


@lru_cache(maxsize=512)
def _parse(formula: str) -> tuple[Any, ...]:
    library = _library()
    try:
        found = library.parse(
            f"$\\boxed{{{formula}}}$",
            extraction_config=[library.LatexExtractionConfig(boxed_match_priority=0)],
            fallback_mode="no_fallback",
            parsing_timeout=None,
        )
    except MemoryError:
        raise
    except Exception:  # a parser of model text must not fail
        return ()
    return tuple(found)
