"""A problem in comparable pieces: words, symbols, numbers, names, language, in one spelling however it was typeset.

Two files that state the same problem rarely agree byte for byte. Everything here is lossy on purpose, for comparison.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from factory.decontaminate.typeset import untypeset

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|[-+*/^=<>|!%']", re.UNICODE)
# Chinese and Japanese numerals, except where they belong to a word: triangle, unique, must, same, uniform.
_CJK_NUMBER = re.compile(r"(?<![唯统任之第])[一二两三四五六七八九十百千]+(?![角定样致般切直次])")
_CJK_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000}
_CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힣]")

_TABLES = yaml.safe_load((files(__package__) / "spellings.yaml").read_text(encoding="utf-8"))
_NUMBER_WORDS: dict[str, int] = _TABLES["numbers"]
_IMPLIED_NUMBERS: dict[str, str] = _TABLES["implied_numbers"]
_STOP_WORDS = frozenset(_TABLES["stop_words"])
_MULTIPLIERS = ("dozen", "hundred", "thousand", "million", "billion")


class Text(NamedTuple):
    """A problem in pieces: `words` in order, numbers and operators included; `squeezed` is their concatenation.

    Brackets and braces are gone from both: re-typesetting adds and drops them, at the price that two problems which
    differ in brackets alone look equal. `symbols` are numbers, operators and variables in order, every variable (one
    letter, or capitals such as ABC) written v, so that they survive both translation and renaming.
    """

    squeezed: str
    words: tuple[str, ...]
    symbols: tuple[str, ...]
    content: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    language: str


@lru_cache(maxsize=65_536)
def analyse(text: str) -> Text:
    """Take a problem apart. Pure and cached: a benchmark problem is the neighbour of many."""
    plain = _CJK_NUMBER.sub(lambda m: f" {_cjk_number(m.group())} ", untypeset(text))
    tokens = _TOKEN.findall(plain)
    words = _merge_number_words([token.lower() for token in tokens])
    return Text(
        squeezed="".join(words),
        words=tuple(words),
        symbols=tuple(_symbols(tokens)),
        content=frozenset(_stem(w) for w in words if w[0].isalpha() and len(w) > 1 and w not in _STOP_WORDS),
        numbers=frozenset(
            w if w[0].isdigit() else _IMPLIED_NUMBERS[w] for w in words if w[0].isdigit() or w in _IMPLIED_NUMBERS
        ),
        names=_names(plain),
        language=_language(plain),
    )


def normalise(text: str) -> str:
    """The form in which two typesettings of one problem are equal: words, numbers and operators, no spaces."""
    return analyse(text).squeezed


def _merge_number_words(tokens: list[str]) -> list[str]:
    """Digits for numbers in words: "twenty-five" is 25, "two hundred" and "2 hundred" are 200, "3 dozen" is 36."""
    merged: list[str] = []
    i = 0
    while i < len(tokens):
        value, used = _number_at(tokens, i)
        if value is None:
            merged.append(tokens[i])
        else:
            merged.append(value)
        i += used
    return merged


def _number_at(tokens: list[str], start: int) -> tuple[str | None, int]:
    """The number that begins at `start`, in canonical digits, and how many tokens spell it."""
    first = tokens[start]
    if first[0].isdigit() or first[0] == ".":
        total = float(first) if len(first) < 16 else None
        text, end = _canonical(first), start + 1
    elif first in _NUMBER_WORDS:
        total, end = float(_NUMBER_WORDS[first]), start + 1
        if total in range(20, 100, 10):
            end = end + 1 if end < len(tokens) and tokens[end] == "-" else end
            if end < len(tokens) and 0 < _NUMBER_WORDS.get(tokens[end], 0) < 10:
                total, end = total + _NUMBER_WORDS[tokens[end]], end + 1
            elif tokens[end - 1] == "-":
                end -= 1
        text = f"{total:.0f}"
    else:
        return None, 1
    while total is not None and end < len(tokens) and tokens[end] in _MULTIPLIERS:
        total, end = total * _NUMBER_WORDS[tokens[end]], end + 1
        text = _canonical(f"{total:.4f}")
    return text, end - start


def _symbols(tokens: list[str]) -> list[str]:
    symbols = []
    for token in tokens:
        if not token[0].isalpha():
            symbols.append(_canonical(token) if token[0].isdigit() else token)
        elif token.isascii() and (
            (len(token) == 1 and token not in ("a", "A", "I")) or (len(token) < 5 and token.isupper())
        ):
            symbols.append("v")
    return symbols


def _canonical(number: str) -> str:
    whole, _, decimals = number.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals else whole


def _cjk_number(numeral: str) -> int:
    total, digit = 0, 0
    for char in numeral:
        if char in _CJK_UNITS:
            total, digit = total + max(digit, 1) * _CJK_UNITS[char], 0
        else:
            digit = _CJK_DIGITS[char]
    return total + digit


def _stem(word: str) -> str:
    """A word without the endings that a rewording changes; no more than that."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _names(plain: str) -> frozenset[str]:
    """Capitalised words inside sentences: people, places, theorems. The first word of a sentence says nothing."""
    found = re.findall(r"(?<![.!?:\\])(?<!^)\s([A-Z][a-z]{2,})\b", plain)
    return frozenset(name.lower() for name in found)


def _language(plain: str) -> str:
    """`cjk`, `latin` or another script's first word in its Unicode names; `math` where there are no words at all."""
    counts: dict[str, int] = {}
    for char in re.sub(r"\\[a-zA-Z]+", "", plain):
        if char.isalpha():
            script = "cjk" if _CJK.match(char) else "latin" if char < "ɐ" else _script(char)
            counts[script] = counts.get(script, 0) + 1
    counts.pop("greek", None)
    if not counts:
        return "math"
    if counts.get("cjk", 0) * 4 >= counts.get("latin", 0):  # a Chinese statement is mostly Latin formulas
        return "cjk" if counts.get("cjk") else max(counts, key=lambda s: counts[s])
    return max(counts, key=lambda s: counts[s])


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "other").split(" ")[0].lower()
