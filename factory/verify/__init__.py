"""Verdicts: answer extraction, equivalence, votes, the settled reference, difficulty, the LLM judge's protocol.

Knows records and recipe. Knows no engine, no Ray and no storage: whatever it must ask, it asks through a callable that
it is given. Sympy and math-verify are imported when a comparison first needs them.
"""

from factory.verify.checker import Checker, CheckerStats
from factory.verify.difficulty import already_too_easy, needed, pass_rate, regimes, too_easy
from factory.verify.equivalence import equivalent
from factory.verify.extract import extract_answer
from factory.verify.judge import parse_judgement, prefilter
from factory.verify.reference import SettledReference, settle_reference
from factory.verify.result import Equal, Equivalence, undecided
from factory.verify.votes import VoteClass, Votes, cluster, is_missing

__all__ = [
    "Checker",
    "CheckerStats",
    "Equal",
    "Equivalence",
    "SettledReference",
    "VoteClass",
    "Votes",
    "already_too_easy",
    "cluster",
    "equivalent",
    "extract_answer",
    "is_missing",
    "needed",
    "parse_judgement",
    "pass_rate",
    "prefilter",
    "regimes",
    "settle_reference",
    "too_easy",
    "undecided",
]
