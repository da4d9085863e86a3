# ruff: noqa: SIM905 - a table of words reads better as text
"""Answers in words that say a formula: numbers and ordinals, dates, quadrants, and sets such as "odd integers"."""

from __future__ import annotations

import re
from fractions import Fraction

from factory.verify.words import DENOMINATORS, NUMBER_WORDS, ORDINALS, SCALES

_MONTHS = (
    "january february march april may june july august september october november december".split()
)  # fmt: skip
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES = (
    re.compile(rf"{_MONTH}\s+(?:the\s+)?{_DAY}{_YEAR}"),
    re.compile(rf"(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}"),
)
_QUADRANTS = {"i": 1, "ii": 2, "iii": 3, "iv": 4} | {str(n): n for n in range(1, 5)}
_QUADRANT = re.compile(r"(?:in\s+)?(?:the\s+)?(?:quadrant\s+(\w+)|(\w+)\s+quadrant)")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_FORMULA = re.compile(r"[\\^_=+*<>|(){}]")
_SETS = {
    "integers": r"\mathbb{Z}",
    "positive integers": r"\mathbb{Z}_{>0}",
    "non negative integers": r"\mathbb{Z}_{\geq 0}",
    "negative integers": r"\mathbb{Z}_{<0}",
    "natural numbers": r"\mathbb{N}",
    "rational numbers": r"\mathbb{Q}",
    "complex numbers": r"\mathbb{C}",
    "real numbers": r"\mathbb{R}",
    "reals": r"\mathbb{R}",
    "positive real numbers": r"\mathbb{R}_{>0}",
    "positive reals": r"\mathbb{R}_{>0}",
    "negative real numbers": r"\mathbb{R}_{<0}",
    "negative reals": r"\mathbb{R}_{<0}",
    "non negative real numbers": r"\mathbb{R}_{\geq 0}",
    "non negative reals": r"\mathbb{R}_{\geq 0}",
    "even integers": r"2k, k \in \mathbb{Z}",
    "odd integers": r"2k+1, k \in \mathbb{Z}",
    "even numbers": r"2k, k \in \mathbb{Z}",
    "odd numbers": r"2k+1, k \in \mathbb{Z}",
}
_IDLE = re.compile(r"^(?:(?:the|set|of|all|any|every)\s+)+")
_MULTIPLES = re.compile(r"(?:integer\s+)?multiples\s+of\s+(\d{1,9})")
_EXCEPTION = re.compile(r"(.*[a-z])\s*,?\s+(?:except(?:\s+for)?|other\s+than|excluding|but\s+not)\s+(-?[\d./]+)")


def as_formula(answer: str) -> str | None:
    """The formula that a cleaned answer in words stands for, or its words in the one order that is compared.

    Only whole answers, and only phrases of the tables here: None for every other text.
    """
    if len(answer) > 80 or not re.search(r"[A-Za-z]{2}", answer):
        return None
    text = " ".join(_TEXT.sub(lambda match: f" {match.group(1)} ", answer).casefold().split())
    if _FORMULA.search(text):
        return None
    return _date(text) or _weekday(text) or _quadrant(text) or _set(text) or _number(text.replace("-", " "))


def _date(text: str) -> str | None:
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match and (month := _completed(match["month"], _MONTHS)) and 1 <= int(match["day"]) <= 31:
            year = f" {match['year']}" if match["year"] else ""
            return rf"\text{{date {month} {int(match['day'])}{year}}}"
    month = _completed(text.rstrip("."), _MONTHS)
    return rf"\text{{{month}}}" if month else None


def _weekday(text: str) -> str | None:
    day = _completed(text.rstrip("."), _DAYS)
    return rf"\text{{{day}}}" if day else None


def _completed(text: str, names: list[str]) -> str | None:
    """`aug`, `sept` and `august`: the name that begins so, from three letters on."""
    return next((name for name in names if len(text) >= 3 and name.startswith(text)), None)


def _quadrant(text: str) -> str | None:
    match = _QUADRANT.fullmatch(text)
    if match is None:
        return None
    which = match.group(1) or match.group(2)
    number = _QUADRANTS.get(which) or ORDINALS.get(which)
    return rf"\text{{quadrant {number}}}" if number else None


def _set(text: str) -> str | None:
    if (exception := _EXCEPTION.fullmatch(text)) and (whole := _set(exception.group(1))) and "," not in whole:
        return rf"{whole} \setminus \{{{exception.group(2)}\}}"
    text = re.sub(r"\bnon-?(?=[a-z])", "non ", _IDLE.sub("", text))
    text = re.sub(r"\b(number|integer)$", r"\1s", text)
    if multiples := _MULTIPLES.fullmatch(text):
        return rf"{multiples.group(1)}k, k \in \mathbb{{Z}}"
    return _SETS.get(text)


def _number(text: str) -> str | None:
    """`one hundred and five`, `two thirds`, `minus four`, `three and a half`, `twenty first`."""
    words = text.split()
    if words and words[0] in ("minus", "negative"):
        rest = _number(" ".join(words[1:]))
        return None if rest is None else "-" + rest
    if words[:1] == ["the"] and words[-1] in ORDINALS:
        words = words[1:]
    value = _value(words)
    if value is None:
        return None
    return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _value(words: list[str]) -> Fraction | None:
    if not words or not all(word.isascii() for word in words):
        return None
    if "and" in words[1:-1]:
        place = len(words) - 1 - words[::-1].index("and")
        part = _fraction(words[place + 1 :])
        if part is not None and (whole := _whole(words[:place])) is not None:
            return whole + part
    if (part := _fraction(words)) is not None:
        return part
    *before, last = words
    if last in ORDINALS:
        tens = _whole(before) if before else 0
        whole = None if tens is None or (before and tens % 10) else tens + ORDINALS[last]
    else:
        whole = _whole(words)
    return None if whole is None else Fraction(whole)


def _fraction(words: list[str]) -> Fraction | None:
    """`a half`, `two thirds`, but not `third` alone nor `twenty third`, which are places."""
    if len(words) != 2 or words[1] not in DENOMINATORS:
        return None
    over = 1 if words[0] in ("a", "an") else NUMBER_WORDS.get(words[0], 0)
    is_plural = words[1].endswith(("s", "halves"))
    return Fraction(over, DENOMINATORS[words[1]]) if over and is_plural == (over > 1) else None


def _whole(words: list[str]) -> int | None:
    """A whole number in words; None for what is none (`five six`, `hundred hundred`)."""
    total = current = 0
    largest, room = 10**18, 100
    for place, word in enumerate(words):
        if word == "and" and 0 < place < len(words) - 1 and words[place - 1] in SCALES:
            continue
        if word in ("a", "one") and place + 1 < len(words) and words[place + 1] in SCALES and room > 1:
            current += 1
            room = 1
        elif word in NUMBER_WORDS:
            value = NUMBER_WORDS[word]
            if value >= room or (value == 0 and len(words) > 1):
                return None
            current += value
            room = 10 if value >= 20 else 1
        elif word == "dozen" and len(words) <= 2:
            current, room = 12 * max(current, 1), 1
        elif word == "hundred" and 0 < current < 100:
            current, room = current * 100, 100
        elif word in SCALES and word not in ("dozen", "hundred") and current > 0 and SCALES[word] < largest:
            largest = SCALES[word]
            total, current, room = total + current * largest, 0, 100
        else:
            return None
    return total + current
