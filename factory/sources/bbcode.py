"""The little of AoPS's markup that matters before a model reads it."""

from __future__ import annotations

import re

_QUOTE = re.compile(r"\[(/?)quote\b[^\]\n]{0,300}\]", re.I)


def strip_quotes(text: str) -> str:
    """`text` without quoted posts, nested ones included; a tag without its partner is left where it stands."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    for match in _QUOTE.finditer(text):
        if not match[1]:
            opened.append(match.start())
        elif opened:
            start = opened.pop()
            while spans and spans[-1][0] >= start:
                spans.pop()
            spans.append((start, match.end()))
    parts, position = [], 0
    for start, end in spans:
        parts.append(text[position:start])
        position = end
    return "".join([*parts, text[position:]]).strip()
