"""The blocks of fenced text, each of which knows where it ends. They take their text in pieces.

A fence is a run of at least three backticks; a block is closed by a run of at least its length.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["text", "code", "call", "output", "note"]

_NOTABLE = re.compile(r"[\\'\"#`\n]|[^\\'\"#`\n]+")


class Block:
    """An open block. `fence` is the number of backticks that opened it, 0 for a tag."""

    by_line = False  # whether it must be given whole lines

    def __init__(self, kind: Kind, opening: str, fence: int = 0) -> None:
        self.kind, self.opening, self.fence = kind, opening, fence
        self.parts: list[str] = []

    def end(self, text: str, start: int) -> int | None:
        """The position in `text` behind the block; None if it continues. The next text begins where this one ended."""
        raise NotImplementedError

    @property
    def raw(self) -> str:
        return self.opening + "".join(self.parts)

    @property
    def content(self) -> str:
        """What stands inside; a line that holds the closing fence alone is no part of it."""
        return _without_blank_end("".join(self.parts).rstrip("`"))


class FencedBlock(Block):
    """Output, a note, or code in another language, which is words in the end (kind `text`)."""

    by_line = True

    def end(self, text: str, start: int) -> int | None:
        """A fence closes the block at the start of a line or at its end, glued to the last word."""
        words = text.rstrip()
        first = len(text) - len(text[start:].lstrip())
        run = _run_from(text, first)
        if run >= self.fence and (self.kind != "text" or first + run >= len(words)):
            # behind ``` more than another fence may follow at once, which opens a block of its own
            return first + (self.fence if run >= self.fence + 3 and first + run < len(words) else run)
        return len(words) if run_at(text, start, len(words)) >= self.fence else None


class CodeBlock(Block):
    """Python. Backticks are no part of its syntax, so a fence outside strings and comments closes it anywhere.

    A fence at the start of a line closes it in any case, for the model may have left a string open.
    """

    def __init__(self, kind: Kind, opening: str, fence: int) -> None:
        super().__init__(kind, opening, fence)
        self._at_start = True  # of a line, blanks aside
        self._open = ""  # the quotes of the string, or the "#" of the comment, that continues
        self._escaped = False
        self._run = self._same = 0  # backticks, and equal quotes, right before
        self._mark = ""  # those quotes

    def end(self, text: str, start: int) -> int | None:
        return next((m.end() for m in _NOTABLE.finditer(text, start) if self._ends(m[0])), None)

    def _ends(self, token: str) -> bool:
        """Take a notable character, or a stretch of others; whether it completes the closing fence."""
        escaped, self._escaped = self._escaped, False
        self._run = self._run + 1 if token == "`" else 0
        if token in ("'", '"') and not escaped:
            self._same = self._same + 1 if token == self._mark else 1
            self._mark = token
            self._quote(token)
        else:
            self._mark = ""
        if token == "`":
            return self._run == self.fence and (self._at_start or not self._open)
        if token == "\n":
            self._at_start, self._open = True, self._open if len(self._open) == 3 else ""
            return False
        self._at_start = self._at_start and token.isspace()
        if token == "\\":
            self._escaped = not escaped and self._open not in ("", "#")
        elif token == "#":
            self._open = self._open or "#"
        return False

    def _quote(self, mark: str) -> None:
        """Open or close a string. Two equal quotes are an empty one, unless a third makes them those of a long one."""
        if not self._open:
            self._open = mark * 3 if self._same == 3 else mark
        elif self._open == mark or (self._open == mark * 3 and self._same == 3):
            self._open = ""
        else:
            return
        if self._same == 3:
            self._mark = ""


class TaggedBlock(Block):
    """What stands between `<name>` and `</name>`."""

    def __init__(self, kind: Kind, opening: str) -> None:
        super().__init__(kind, opening)
        self.closing = f"</{opening[1:]}"
        self._tail = ""  # the end of the text before, which may hold the beginning of the closing tag

    def end(self, text: str, start: int) -> int | None:
        overlap = len(self.closing) - 1
        seam = self._tail + text[start : start + overlap]
        if (at := seam.find(self.closing)) >= 0:
            return start + at + len(self.closing) - len(self._tail)
        if (at := text.find(self.closing, start)) >= 0:
            return at + len(self.closing)
        self._tail = (self._tail + text[max(start, len(text) - overlap) :])[-overlap:]
        return None

    @property
    def content(self) -> str:
        inside = "".join(self.parts).removesuffix(self.closing)
        first, line_end, rest = inside.partition("\n")
        return _without_blank_end(inside if first.strip() or not line_end else rest)


def run_at(text: str, start: int, end: int) -> int:
    """How many backticks stand right before `end`, none of them before `start`."""
    return end - max(start, len(text[start:end].rstrip("`")) + start)


def _run_from(text: str, start: int) -> int:
    return len(text) - start - len(text[start:].lstrip("`"))


def _without_blank_end(text: str) -> str:
    """`text` without blanks behind its last line end."""
    stripped = text.rstrip(" \t")
    return stripped if stripped.endswith("\n") or not stripped else text
