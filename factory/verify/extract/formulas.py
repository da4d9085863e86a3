r"""Where the formulas of a text lie: between `$`, `$$`, `\(`, `\[` and in display environments. One pass, linear.

A dollar sign may also be money. As in Pandoc's Markdown, a `$` before a digit opens a formula only where a `$` closes
it that has no space before it and no digit behind it.
"""

from __future__ import annotations

import re

from factory.verify.extract.boxes import closings

MASK = "\uf8ff"
"""Stands for every character of a formula in a masked text: private use, no text means it."""
_DELIMITER = re.compile(
    r"\\begin\{(?:align|equation|gather|aligned|gathered|split|math|displaymath|cases|[pbBvV]?matrix|array)\*?\}"
    r"|\\end\{(?:align|equation|gather|aligned|gathered|split|math|displaymath|cases|[pbBvV]?matrix|array)\*?\}"
    r"|\\\\|\\\$|\$\$|\$|\\\(|\\\)|\\\[|\\\]"
)
_CLOSES = {"\\)": "\\(", "\\]": "\\["}
_COMMAND = re.compile(r"\\[A-Za-z]+|(?<=[\^_])(?=\{)")


def formulas(text: str) -> list[tuple[int, int]]:
    """The outermost formulas as (start, end), delimiters included, in order."""
    found: list[tuple[int, int]] = []
    opening: tuple[str, int] | None = None  # the delimiter that waits for its end
    for match in _DELIMITER.finditer(text):
        mark = match.group()
        if mark in ("\\\\", "\\$"):
            continue
        if opening is None:
            opening = (mark, match.start()) if _opens(mark) else None
        elif _ends(opening, mark, match, text):
            found.append((opening[1], match.end()))
            opening = None
        elif not opening[0].startswith("\\begin") and _opens(mark) and not _nests(opening[0], mark):
            opening = (mark, match.start())  # the one before stays open, or was money
    return found


def masked(text: str) -> str:
    """The text with every formula, and every LaTeX command with its arguments, replaced by as many `MASK`s."""
    pieces, position = [], 0
    for start, end in formulas(text):
        pieces += [text[position:start], MASK * (end - start)]
        position = end
    text = "".join([*pieces, text[position:]])
    ends = closings(text) if "{" in text else {}
    pieces, position = [], 0
    for match in _COMMAND.finditer(text):
        if match.start() < position:
            continue
        end = match.end()
        while True:
            if end in ends:
                end = ends[end]
            elif text.startswith("[", end) and (close := text.find("]", end, end + 20)) > 0:
                end = close + 1
            else:
                break
        pieces += [text[position : match.start()], MASK * (end - match.start())]
        position = end
    return "".join([*pieces, text[position:]])


def _opens(mark: str) -> bool:
    return mark in ("$", "$$", "\\(", "\\[") or mark.startswith("\\begin")


def _nests(outer: str, inner: str) -> bool:
    return inner.startswith("\\begin") or (outer in ("\\(", "\\[", "$$") and inner == "$")


def _ends(opening: tuple[str, int], mark: str, match: re.Match[str], text: str) -> bool:
    opener, start = opening
    if opener.startswith("\\begin"):
        return mark == "\\end" + opener.removeprefix("\\begin")
    if _CLOSES.get(mark) == opener or (mark == opener == "$$"):
        return True
    if mark != "$" or opener != "$" or text.find("\n\n", start, match.start()) >= 0:
        return False
    if not text[start + 1].isdigit():
        return True
    return not text[match.start() - 1].isspace() and not text[match.end() : match.end() + 1].isdigit()
