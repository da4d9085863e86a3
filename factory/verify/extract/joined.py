"""Several boxes that follow each other are one list, and what stands right before or behind a box may belong to it."""

from __future__ import annotations

import re
from typing import Literal

from factory.verify.extract.boxes import Box

Joined = Literal["adjacent", "last"]
"""Whether boxes that follow each other are one list, or only the last one counts."""

_MAX_GAP = 60
_CONNECTORS = {"and", "or", "for", "part", "with", "respectively", "also", "y", "et", "und", "oder", "o", "ou"}
_GAP_NOISE = re.compile(
    r"\\[()\[\],;:! ]|\\q?quad|[$,;.&\s]|\\text(?:bf|rm)?\s*\{([^{}]*)\}|[A-Za-z]\w*_?\{?\w*\}?\s*="
)
_NAME_BEFORE = re.compile(r"(?:^|[\s$(\[])([A-Za-z](?:_\{?\w+\}?)?\s*(?:\\in|∈))\s*\$?\s*$")
_UNIT_AFTER = re.compile(r"\$?\s*(\\?%|percent(?:age)?|pct|°|\^\{?\\circ\}?)(?![A-Za-z])")


def joined(text: str, found: list[Box], how: Joined) -> str:
    """The answer that the last boxes of a text give: one of them, or those that form a list with it."""
    contents = [found[-1].content]
    if how == "adjacent":
        for before, after in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
            if not _continues(text[before.end : after.start]):
                break
            contents.append(before.content)
    unique = list(dict.fromkeys(reversed(contents)))
    if len(unique) > 1:
        return ", ".join(unique)
    return _name_before(text, found[-1].start) + unique[0] + _unit_after(text, found[-1].end)


def _continues(gap: str) -> bool:
    """Whether what stands between two boxes makes them members of one list."""
    if len(gap) > _MAX_GAP or re.search(r"\n\s*\n|[.!?]\s+[A-Z]", gap):
        return False
    words = re.findall(r"[A-Za-z]+", _GAP_NOISE.sub(lambda match: f" {match.group(1) or ''} ", gap))
    rest = re.sub(r"[A-Za-z()]+", "", _GAP_NOISE.sub(" ", gap))
    return not rest.strip() and (not words or bool(_CONNECTORS & {w.lower() for w in words})) and len(words) <= 5


def _name_before(text: str, start: int) -> str:
    r"""`x \in` in front of a box belongs to the answer."""
    match = _NAME_BEFORE.search(text[max(0, start - 40) : start])
    return match.group(1) + " " if match else ""


def _unit_after(text: str, end: int) -> str:
    """A percent or degree sign right behind a box belongs to the answer."""
    match = _UNIT_AFTER.match(text, end)
    return " " + match.group(1) if match else ""
