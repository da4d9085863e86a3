"""Text with Python between fences: cut into words, code, output and budget notes, and joined again.

`"".join(s.raw for s in segments(text)) == text` for every text. The forms read are those of ToRA (```python and
```output blocks) and of OpenMathReasoning (`<tool_call>` for the code, and a ```system note after an output).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "code", "output", "note"]

_OPENING = re.compile(r"(?P<fence>`{3,})[ \t]*(?P<label>[A-Za-z0-9_+.-]*)[ \t\r]*\n?$")
_KINDS: dict[str, Kind] = {"python": "code", "python3": "code", "py": "code", "output": "output", "system": "note"}
_TOOL_CALL, _TOOL_CALL_END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text. `raw` is all of it; `content` what stands between its fences (all of it, for words)."""

    kind: Kind
    raw: str
    content: str
    closed: bool = True


@dataclass(frozen=True, slots=True)
class _Block:
    """An open block: what closes it, and what it is once closed (text, for code in some other language)."""

    kind: Kind
    closing: re.Pattern[str]


def segments(text: str) -> list[Segment]:
    """Cut `text` at its fences. The last block may lack its closing fence."""
    found: list[Segment] = []
    words: list[str] = []  # lines of text not yet part of a segment
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    position = 0
    while position < len(lines):
        before, block = _open(lines[position])
        if block is None:
            words.append(lines[position])
            position += 1
            continue
        end = _closing_line(lines, position + 1, block)
        raw = lines[position][len(before) :] + "".join(lines[position + 1 : end + 1])
        words.append(before)
        if block.kind == "text":
            words.append(raw)
        else:
            _flush(words, found)
            found.append(Segment(block.kind, raw, "".join(lines[position + 1 : end]), closed=end < len(lines)))
        position = end + 1
    _flush(words, found)
    return found


def fenced(label: str, content: str) -> str:
    """A block whose fence is longer than any run of backticks in its content, so that nothing inside closes it."""
    runs = [len(run) for run in re.findall(r"`{3,}", content)]
    fence = "`" * (max(runs, default=2) + 1)
    return f"{fence}{label}\n{content}{'' if content.endswith(chr(10)) or not content else chr(10)}{fence}\n"


def _open(line: str) -> tuple[str, _Block | None]:
    """The words before a block that this line opens, and the block. Python may be opened at the end of a sentence."""
    if line.strip() == _TOOL_CALL:
        return "", _Block("code", re.compile(rf"\s*{re.escape(_TOOL_CALL_END)}\s*"))
    match = _OPENING.search(line)
    if match is None or not match["label"]:
        return "", None
    kind = _KINDS.get(match["label"].lower(), "text")
    before = line[: match.start()]
    if before.strip() and kind != "code":
        return "", None
    return before, _Block(kind, re.compile(rf"\s*`{{{len(match['fence'])},}}\s*"))


def _closing_line(lines: list[str], start: int, block: _Block) -> int:
    """Index of the line that closes the block, or the number of lines."""
    return next((i for i in range(start, len(lines)) if block.closing.fullmatch(lines[i])), len(lines))


def _flush(words: list[str], found: list[Segment]) -> None:
    text = "".join(words)
    words.clear()
    if text:
        found.append(Segment("text", text, text))
