"""Cut a sentence into values and words. A value is taken whole: with its signs, brackets, exponents, scale and unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from factory.verify.extract.formulas import MASK
from factory.verify.extract.vocabulary import roles, word_pattern
from factory.verify.units import unit_of
from factory.verify.words import DENOMINATORS, NUMBER_WORDS, SCALES

_FUNCTIONS = frozenset({"sin", "cos", "tan", "cot", "log", "ln", "lg", "exp", "sqrt", "cbrt", "pi", "infinity"})
_KINDS = {"formula": "value", "number": "value", "ordinal": "word", "sign": "infix"}
_INFIX_WORDS = frozenset({"mod", "bmod"})
_JOINS = frozenset({"and", "or", "et", "ou", "und", "oder", "и", "или", "和", "或", "と"})
_NOT_UNITS = frozenset({"in", "a", "an", "per"})
_DETERMINERS = frozenset({"the", "these", "those", "all", "each", "other", "first", "last", "next"})
_NO_NAMES = frozenset("aAI")

Kind = Literal["value", "word", "mark"]


@dataclass(frozen=True, slots=True)
class Item:
    """A value, a word or a punctuation mark of a sentence, at [start, end). `text` is in lower case, `MASK`s inside."""

    kind: Kind
    start: int
    end: int
    text: str
    is_name: bool = False
    """A value of letters alone: the name of something, perhaps."""
    has_unit: bool = False
    """A value that ends with its unit."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # value, name, scale, unit, prefix, infix, postfix, open, close, comma, join, word, mark
    text: str
    start: int
    end: int
    spaced: bool


@cache
def _token_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?P<formula>{MASK}+)|(?P<ordinal>\d+(?:st|nd|rd|th)(?!\w))|(?P<number>\d+(?:,\d{{3}})*(?:\.\d+)?(?:[eE][-+]?\d+(?![\w.]))?|\.\d+)"
        rf"|(?P<word>{word_pattern()})|(?P<open>[(\[{{（])|(?P<close>[)\]}}）])|(?P<comma>[,，、](?=\s|\S)|[&])"
        r"|(?P<prefix>\\\$|[√∛∜±∓$€£¥₹≈~])|(?P<postfix>[!%‰°′″²³⁰¹⁴-⁹ⁿ⁺⁻]|\\%)|(?P<sign>[-−+*/^=<>≤≥≠×÷·⋅:|_∪∩∈])"
        r"|(?P<mark>\S)"
    )


def items(masked: str) -> list[Item]:
    """The values, words and marks of a masked sentence, in order."""
    tokens = _tokens(masked)
    found: list[Item] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        end = position if _is_spelled_reference(tokens, position) else _value_end(tokens, position)
        if end > position:
            start = position
            if tokens[start].kind == "open" and _depth(tokens[start:end]) > 0:
                start += 1  # "(5 apples)": the bracket is the sentence's
            text = masked[tokens[start].start : tokens[end - 1].end]
            is_name = all(t.kind == "name" for t in tokens[start:end])
            has_unit = tokens[end - 1].kind in ("unit", "scale")
            found.append(Item("value", tokens[start].start, tokens[end - 1].end, text, is_name, has_unit))
            position = end
        else:
            kind: Kind = "word" if token.kind in ("word", "join", "unit", "scale", "name") else "mark"
            found.append(Item(kind, token.start, token.end, token.text))
            position += 1
    return found


def _is_spelled_reference(tokens: list[_Token], position: int) -> bool:
    """`the three conditions`: a number in words that only points at things."""
    before = tokens[position - 1].text if position else ""
    return tokens[position].text[:1].isalpha() and before in _DETERMINERS


def _tokens(masked: str) -> list[_Token]:
    found: list[_Token] = []
    for match in _token_pattern().finditer(masked):
        kind, text = match.lastgroup or "mark", match.group().lower().replace("’", "'")
        if kind == "word":
            kind = _kind_of_word(match.group())
            if kind == "unit" and len(text) == 1 and not _measures(found):
                kind = "name"
        kind = _KINDS.get(kind, kind)
        spaced = match.start() > 0 and masked[match.start() - 1].isspace()
        found.append(_Token(kind, text, match.start(), match.end(), spaced))
    return found


def _measures(before: list[_Token]) -> bool:
    """Whether a letter may be a unit: `5 m` and `5 km/h`, not `x = m`."""
    return bool(before) and (before[-1].kind in ("value", "unit") or before[-1].text in ("/", "·", "⋅"))


def _kind_of_word(word: str) -> str:
    lower = word.lower()
    if lower in _INFIX_WORDS:
        return "infix"
    if lower in _FUNCTIONS:
        return "value"
    if lower in SCALES or lower in DENOMINATORS:
        return "scale"
    if lower not in ("one", "zero") and all(part in NUMBER_WORDS for part in lower.split("-")):
        return "value"
    if lower in _JOINS:
        return "join"
    if lower not in _NOT_UNITS and not _has_role(lower) and unit_of(_plain_powers(word)) is not None:
        return "unit"
    if len(word) == 1 and word not in _NO_NAMES and (word.isascii() or "α" <= lower <= "ω"):
        return "name"
    return "word"


def _has_role(word: str) -> bool:
    return any(word in words for words in roles().values())


def _plain_powers(word: str) -> str:
    return word.replace("²", "^2").replace("³", "^3")


def _value_end(tokens: list[_Token], start: int) -> int:
    """The position behind the value that begins at `start`; `start` where none does."""
    first = _operand(tokens, start)
    if first is None:
        return start
    position, depth = first + 1, _depth(tokens[start : first + 1])
    while position < len(tokens):
        token, before = tokens[position], tokens[position - 1]
        if token.kind in ("postfix", "unit", "scale"):
            position += 1
        elif token.kind == "close" and depth > 0:
            depth -= 1
            position += 1
        elif token.text == "per" and position + 1 < len(tokens) and tokens[position + 1].kind == "unit":
            position += 2
        elif (then := _continuation(tokens, position, before)) is not None:
            depth += _depth(tokens[position : then + 1])
            position = then + 1
        else:
            break
    return position


def _continuation(tokens: list[_Token], position: int, before: _Token) -> int | None:
    """The position of the operand with which a value continues: behind a sign or a comma, or right beside."""
    token = tokens[position]
    if token.kind == "infix" or (token.text == "x" and _stands_between_numbers(tokens, position)):
        return _operand(tokens, position + 1)
    if token.kind in ("comma", "join"):
        while position < len(tokens) and tokens[position].kind in ("comma", "join"):
            position += 1
        return _operand(tokens, position)
    if token.kind in ("value", "name", "open", "prefix"):
        beside = (
            not token.spaced or before.kind == "unit" or token.kind == "name" or "/" in _next_text(tokens, position)
        )
        return _operand(tokens, position) if beside else None
    return None


def _stands_between_numbers(tokens: list[_Token], position: int) -> bool:
    """`40 x 10`: the letter is a multiplication sign."""
    after = tokens[position + 1 : position + 3]
    return (
        tokens[position - 1].text[-1:].isdigit()
        and bool(after)
        and (after[0].kind == "prefix" or after[0].text[:1].isdigit())
    )


def _next_text(tokens: list[_Token], position: int) -> str:
    return tokens[position + 1].text if position + 1 < len(tokens) and tokens[position].kind == "value" else ""


def _operand(tokens: list[_Token], position: int) -> int | None:
    """The position of the first number, formula or name, behind signs and brackets; None if a word comes first."""
    limit = min(len(tokens), position + 12)
    while position < limit:
        token = tokens[position]
        if token.kind in ("value", "name"):
            return position
        if token.text == "one" and position + 1 < limit and tokens[position + 1].kind == "scale":
            return position
        is_sign = token.text in ("-", "−", "+", "|") and position + 1 < limit and not tokens[position + 1].spaced
        if token.kind not in ("open", "prefix") and not is_sign:
            return None
        position += 1
    return None


def _depth(tokens: list[_Token]) -> int:
    return sum((t.kind == "open") - (t.kind == "close") for t in tokens)
