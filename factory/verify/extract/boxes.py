r"""The boxes of a text, `\boxed{}` and its relatives, in one pass whatever is left open."""

from __future__ import annotations

import re
from typing import NamedTuple

_BOX = re.compile(
    r"\\{1,2}(?:[bB]oxed|fbox|framebox|bbox)(?![A-Za-z])\s*(?:\[[^\[\]{}\n]{0,40}\]\s*)?"
    r"|\\begin\{boxed\}|<\|begin_of_box\|>|<boxed(?=\{)"
)
_DAMAGED_BOX = re.compile(r"\x08oxed(?=\s*\{)")  # "\b" of "\boxed", read as a JSON escape
_CLOSED_BY_NAME = {"\\begin{boxed}": "\\end{boxed}", "<|begin_of_box|>": "<|end_of_box|>"}
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is no brace
_LEAD = re.compile(r"[ $]*")
_TOKEN = re.compile(r"\\[A-Za-z]+|[^\s{}$\\]")


class Box(NamedTuple):
    """Where a box stands in the text, and what it holds."""

    start: int
    end: int
    content: str


def extract_answer(text: str | None) -> str | None:
    r"""The content of the last balanced `\boxed{}` in `text`, stripped; None if there is none.

    Braces nest; escaped braces do not count. `\boxed 7` takes the next token, as TeX does. A box cut off by the end of
    the text is not balanced, so the box before it counts. An empty box is an answer that is missing: None. The released
    convention, which also counts `\fbox{}`; the boxes that other formats write (`<|begin_of_box|>`) are read alike.
    """
    found = boxes(text or "")
    return (found[-1].content or None) if found else None


def boxes(text: str) -> list[Box]:
    """Every balanced outermost box, in order of appearance."""
    text = _DAMAGED_BOX.sub(lambda match: "\\boxed", text)
    found: list[Box] = []
    ends = closings(text) if _BOX.search(text) else {}
    beyond: set[str] = set()  # closing marks that do not occur any more
    position = 0
    while match := _BOX.search(text, position):
        position = match.end()
        closer = _CLOSED_BY_NAME.get(match.group())
        if closer is None:
            box = _braced(text, match, ends)
        elif closer in beyond or (end := text.find(closer, position)) < 0:
            beyond.add(closer)
            continue
        else:
            box = Box(match.start(), end + len(closer), text[position:end])
        if box is not None:
            found.append(box._replace(content=_unnest(box.content)))
            position = box.end
    return found


def _braced(text: str, match: re.Match[str], ends: dict[int, int]) -> Box | None:
    opening = match.end()
    if text.startswith("{", opening):
        end = ends.get(opening)
        return None if end is None else Box(match.start(), end, text[opening + 1 : end - 1])
    token = _TOKEN.match(text, opening)
    return None if token is None else Box(match.start(), token.end(), token.group())


def closings(text: str) -> dict[int, int]:
    """End of the group for each brace that opens one and is closed again. One pass, whatever is left open."""
    open_at: list[int] = []
    ends: dict[int, int] = {}
    for match in _BRACE.finditer(text):
        if match.group() == "{":
            open_at.append(match.start())
        elif match.group() == "}" and open_at:
            ends[open_at.pop()] = match.end()
    return ends


def _unnest(content: str) -> str:
    """A box that holds nothing but another box is that box, however deep."""
    content = content.strip()
    if not _BOX.search(content):
        return content
    ends = closings(content)
    start, stop = 0, len(content)
    while match := _BOX.match(content, start):
        end = ends.get(match.end())
        if end is None or content[end:stop].strip(" $."):
            break
        start, stop = _LEAD.match(content, match.end() + 1).end(), end - 1  # type: ignore[union-attr]
    return content[start:stop].strip(" $") if start else content
