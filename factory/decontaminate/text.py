"""A problem in comparable pieces: words, symbols, numbers, names, language, in one spelling however it was typeset.

Two files that state the same problem rarely agree byte for byte. Everything here is lossy on purpose, for comparison.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from factory.decontaminate.typeset import untypeset

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|[-+*/^=<>|!%']", re.UNICODE)
# Chinese and Japanese numerals, except where they belong to a word: triangle, hexagon, unique, must, same.
_CJK_NUMBER = re.compile(r"(?<![唯统任之第期])[一二两三四五六七八九十百千]+(?![角边面棱共定样致般切直次])")
_CJK_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000}
_CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힣]")

_TABLES = yaml.safe_load((files(__package__) / "spellings.yaml").read_text(encoding="utf-8"))
_NUMBER_WORDS: dict[str, int] = _TABLES["numbers"]
_IMPLIED_NUMBERS: dict[str, str] = _TABLES["implied_numbers"]
_STOP_WORDS = frozenset(_TABLES["stop_words"])
_CONCEPTS = yaml.safe_load((files(__package__) / "concepts.yaml").read_text(encoding="utf-8"))
_CHINESE = {
    word: {number for number, (_, words) in enumerate(_CONCEPTS) if word in words}
    for _, chinese in _CONCEPTS for word in chinese
}  # fmt: skip
_CHINESE_WORD = re.compile("|".join(sorted(_CHINESE, key=len, reverse=True)))
_GREEK = frozenset(_TABLES["greek"])
CONCEPT_LANGUAGES = frozenset(("latin", "cjk"))
_FUNCTION_WORDS = {language: frozenset(words) for language, words in _TABLES["function_words"].items()}
_MULTIPLIERS = ("dozen", "hundred", "thousand", "million", "billion")


class Text(NamedTuple):
    """A problem in pieces: `words` in order, numbers and operators included; `squeezed` is their concatenation.

    Brackets and braces are gone from both: re-typesetting adds and drops them, at the price that two problems which
    differ in brackets alone look equal. `symbols` are numbers, operators and variables in order, every variable (one
    letter, or capitals such as ABC) written v, so that they survive both translation and renaming. `labels` are these
    variables by name, Greek ones too; `concepts` the notions of concepts.yaml that the text names in English or in
    Chinese. `size` counts words, in Chinese characters.
    """

    squeezed: str
    words: tuple[str, ...]
    symbols: tuple[str, ...]
    content: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    labels: frozenset[str]
    concepts: frozenset[int]
    size: int
    language: str


@lru_cache(maxsize=32_768)
def analyse(text: str) -> Text:
    """Take a problem apart. Pure and cached, about 5 KB each: a benchmark problem is the neighbour of many."""
    untypeset_text = untypeset(text)
    plain = _CJK_NUMBER.sub(lambda m: f" {_cjk_number(m.group())} ", untypeset_text)
    tokens = _TOKEN.findall(plain)
    words = [sys.intern(word) for word in _merge_number_words([token.lower() for token in tokens])]
    language = _language(plain, words)
    return Text(
        squeezed="".join(words),
        words=tuple(words),
        symbols=tuple(_symbols(tokens, language)),
        content=frozenset(_stem(w) for w in words if w[0].isalpha() and len(w) > 1 and w not in _STOP_WORDS),
        numbers=frozenset(
            w if w[0].isdigit() else _IMPLIED_NUMBERS[w] for w in words if w[0].isdigit() or w in _IMPLIED_NUMBERS
        ),
        names=_names(plain),
        labels=frozenset(token for token in tokens if _is_variable(token, language) or token.lower() in _GREEK),
        concepts=_concepts(untypeset_text, words),
        size=len(_CJK.findall(plain)) or sum(len(word) > 1 and word[0].isalpha() for word in words),
        language=language,
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


def _symbols(tokens: list[str], language: str) -> list[str]:
    symbols = []
    for token in tokens:
        if not token[0].isalpha():
            symbols.append(_canonical(token) if token[0].isdigit() else token)
        elif _is_variable(token, language):
            symbols.append("v")
    return symbols


def _is_variable(token: str, language: str) -> bool:
    """A letter that is no word of the language, or capitals such as ABC."""
    if not (token.isascii() and token.isalpha()):
        return False
    if len(token) == 1:
        return token not in ("a", "A", "I") and not (token in "eoyu" and language in ("es", "it", "pt"))
    return len(token) < 5 and token.isupper()


def _concepts(plain: str, words: list[str]) -> frozenset[int]:
    """Notions by their words: English ones by their stem, Chinese ones wherever they stand, the longest first."""
    english = {_ENGLISH[stem] for word in words if (stem := _stem(word)) in _ENGLISH}
    return frozenset(english.union(*(_CHINESE[found] for found in _CHINESE_WORD.findall(plain))))


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


_ENGLISH = {_stem(word): number for number, (english, _) in enumerate(_CONCEPTS) for word in english}


def _names(plain: str) -> frozenset[str]:
    """Capitalised words inside sentences: people, places, theorems. The first word of a sentence says nothing."""
    found = re.findall(r"(?<![.!?:\\])(?<!^)\s([A-Z][a-z]{2,})\b", plain)
    return frozenset(name.lower() for name in found)


def _language(plain: str, words: list[str]) -> str:
    """`cjk`, `latin` (English, or unknown), `fr`, `de`..., or another script's first word in its Unicode names; `math`
    if there are no words at all."""
    counts: dict[str, int] = {}
    for char in re.sub(r"\\[a-zA-Z]+", "", plain):
        if char.isalpha():
            script = "cjk" if _CJK.match(char) else "latin" if char < "ɐ" else _script(char)
            counts[script] = counts.get(script, 0) + 1
    counts.pop("greek", None)
    if not counts:
        return "math"
    if counts.get("cjk", 0) * 4 >= counts.get("latin", 0) and counts.get("cjk"):
        return "cjk"  # a Chinese statement is mostly Latin formulas
    script = max(counts, key=lambda s: counts[s])
    return _latin_language(words) if script == "latin" else script


def _latin_language(words: list[str]) -> str:
    """The language whose small words are most frequent, where they are a tenth of the words and not English ones."""
    spoken = [word for word in words if len(word) > 1 and word[0].isalpha()]
    counts = {lang: sum(word in known for word in spoken) for lang, known in _FUNCTION_WORDS.items()}
    best = max(counts, key=lambda lang: counts[lang])
    clear = counts[best] >= max(2, len(spoken) / 10) and counts[best] > 2 * counts["en"]
    return best if clear and best != "en" else "latin"


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "other").split(" ")[0].lower()
