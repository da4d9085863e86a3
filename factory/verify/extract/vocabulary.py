"""The tables of words behind the reading of prose: `announcements.yaml` and `sentences.yaml`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from factory.verify.extract.formulas import MASK

_FOLDER = Path(__file__).parent
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff"


@cache
def roles() -> dict[str, frozenset[str]]:
    """What a word does to a value in a sentence: role -> words, in lower case."""
    return {role: frozenset(words.split()) for role, words in _load("sentences.yaml").items() if role != "restates"}


@cache
def restatement() -> re.Pattern[str]:
    """Phrases after which the value before is said in another way."""
    phrases = sorted(_load("sentences.yaml")["restates"], key=len, reverse=True)
    return re.compile("|".join(_whole(re.escape(phrase)) for phrase in phrases), re.IGNORECASE)


@cache
def word_pattern() -> str:
    """One word: a known word of a language without spaces, one East Asian character, or letters."""
    known = {word for words in roles().values() for word in words if re.match(f"[{_EAST_ASIAN}]", word)}
    listed = "|".join(sorted(known, key=len, reverse=True))
    return rf"(?:{listed})|i\.e\.?|e\.g\.?|[{_EAST_ASIAN}]|[^\W\d_{_EAST_ASIAN}]+(?:['’-][^\W\d_{_EAST_ASIAN}]+)*"


@cache
def announcement() -> re.Pattern[str]:
    """What stands before an announced answer, in any of the languages."""
    return re.compile("|".join([*map(_announcement, _load("announcements.yaml").values()), "####"]), re.IGNORECASE)


@cache
def ending() -> re.Pattern[str]:
    """What comes after an announced answer in languages that put words there."""
    ends = [end for language in _load("announcements.yaml").values() for end in language.get("ends", [])]
    return re.compile("(?:" + "|".join(sorted(ends, key=len, reverse=True)) + r")[。．.]?\s*$")


def _announcement(language: dict[str, Any]) -> str:
    spaced = not language.get("unspaced")
    after = rf"(?:\s+{_any(language['after'])})?" if "after" in language else ""
    of = rf"(?:\s+{_any(language['of'])}\s+[^.:\n]{{1,60}}?)?" if "of" in language else ""
    mark = r"[*_`]{0,3}\s{0,3}"
    link = rf"{_any(language['links'])}(?!\w)" if spaced else _any(language["links"])
    start = r"(?<!\w)" if spaced else ""
    bare = rf"(?<![^\n]){_any(language['what'])}{after}\s{{1,3}}(?={MASK})"  # "Answer $9$"
    return rf"{start}{_any(language['what'])}{after}{of}{mark}(?:{link}|[:：=]|[—–-](?=\s)){mark}[:：]?|{bare}"


def _any(words: list[str]) -> str:
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return "(?:" + listed.replace("\\ ", r"\s+") + ")"


def _whole(pattern: str) -> str:
    return rf"(?<!\w){pattern}(?!\w)"


def _load(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
