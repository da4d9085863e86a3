"""The last resort: math-verify, for notation that our own parser does not read (integrals, sums, limits, set builders).

Slow and without bounds of its own here: its timeouts use signals, which need the main thread, so they are off, and the
checker's kill stands in for them. Only answers that are formulas come here; prose would be searched for numbers.
"""

from __future__ import annotations

import logging
from functools import cache, lru_cache
from typing import Any

from factory.verify.verdict import Equivalence, undecided


def compare_symbolically(gold: str, prediction: str) -> Equivalence:
    """Two cleaned formulas through math-verify."""
    one, other = _parse(gold), _parse(prediction)
    if not one or not other:
        return undecided("unreadable")
    try:
        equal = _library().verify(list(one), list(other), float_rounding=12, timeout_seconds=None, strict=True)
    except Exception as error:  # sympy raises what it likes
        return undecided(f"math-verify: {type(error).__name__}")
    return Equivalence(bool(equal), "math_verify")


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
    except Exception:  # a parser of model text must not fail
        return ()
    return tuple(found)
