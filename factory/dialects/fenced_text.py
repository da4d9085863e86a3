"""Text with Python between fences: cut into words, code, calls, output and budget notes, and joined again.

`"".join(s.raw for s in segments(text)) == text` for every text, in linear time; a `Scanner` that is fed the text in
pieces cuts it at the same places. The forms read are those of ToRA (```python and ```output blocks), OpenMathReasoning
(`<tool_call>` for the code, a ```system note after an output), and Qwen and Hermes (`<tool_response>` for the output).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from factory.dialects.fenced_block import Block, CodeBlock, FencedBlock, Kind, TaggedBlock, run_at

_KINDS: dict[str, Kind] = {"python": "code", "python3": "code", "py": "code", "output": "output", "system": "note"}
_TAGS: dict[str, Literal["call", "output"]] = {"<tool_call>": "call", "<tool_response>": "output"}
_TAG = re.compile("|".join(_TAGS))
_MAY_OPEN = re.compile(rf"```|{_TAG.pattern}")
_LABEL = re.compile(r"[ \t]*([A-Za-z0-9_+.-]+)[ \t\r]*\n?")
_ONE_LINE_OUTPUT = re.compile(r"[ \t]*(`{3,})[ \t]*output[ \t]+(?=\S)")
_BEFORE_INSIDE = re.compile(r"[ \t]*(?:[{<]|\s*\Z)")  # arguments, or a line of its own
_END_OF_FENCE = re.compile(r"`*\s*\Z")
_LINE_END = re.compile("\n|</tool_call>|</tool_response>")  # a closing tag ends a line, so that no call has to wait
_LONGEST_END = len("</tool_response>") - 1
_QUOTES = ("`", '"', "'")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text. `raw` is all of it; `content` what stands between its fences (all of it, for words).

    `code` is a block of Python, which may be a call or only be shown; `call` was marked as one, and holds Python or
    arguments.
    """

    kind: Kind
    raw: str
    content: str
    closed: bool = True


def segments(text: str) -> list[Segment]:
    """Cut `text` at its fences. The last block may lack its closing fence."""
    scanner = Scanner()
    scanner.feed(text)
    return scanner.finish()


def fenced(label: str, content: str) -> str:
    """A block whose fence is longer than any run of backticks in its content, so that nothing inside closes it."""
    runs = [len(run) for run in re.findall(r"`{3,}", content)]
    fence = "`" * (max(runs, default=2) + 1)
    return f"{fence}{label}\n{content}{'' if content.endswith(chr(10)) or not content else chr(10)}{fence}\n"


class Scanner:
    """Cuts text as it arrives, in pieces of any size. `asks` once a block of code or a call was closed."""

    def __init__(self) -> None:
        self.asks = False
        self._found: list[Segment] = []
        self._words: list[str] = []  # text since the last segment
        self._only_blanks = True  # ... and whether there is no word in it
        self._line: list[str] = []  # what has come of a line that is read when it is complete
        self._block: Block | None = None
        self._tail = ""  # what may be the beginning of a line's end
        self._behind: int | None = None  # length of the fence that the line continues behind; None at its start

    def feed(self, text: str) -> None:
        seam = self._tail + text
        start, line = len(self._tail), 0  # of what is new, and of the line that it continues
        for end in _LINE_END.finditer(seam):
            self._take(seam[start : end.end()], is_line=True)
            start = line = end.end()
        if start < len(seam):
            self._take(seam[start:], is_line=False)
        self._tail = seam[max(line, len(seam) - _LONGEST_END) :]

    def finish(self) -> list[Segment]:
        """Everything, in order. The scanner takes no more text."""
        if self._line:
            self._read_line()
        if self._block is not None:
            self._append(Segment(self._block.kind, self._block.raw, self._block.content, closed=False))
        self._flush()
        return self._found

    def _take(self, piece: str, *, is_line: bool) -> None:
        """Take a line, or more of one. Most blocks may end inside a line."""
        start = 0
        if self._block is not None and not self._block.by_line:
            start = self._read_block(piece, 0)
        if start < len(piece):
            self._line.append(piece[start:])
            if is_line:
                self._read_line()

    def _read_line(self) -> None:
        line, start = "".join(self._line), 0
        self._line.clear()
        while start < len(line):
            start = self._read_words(line, start) if self._block is None else self._read_block(line, start)

    def _read_block(self, text: str, start: int) -> int:
        """Go on in the open block; give the position behind it, or behind the text."""
        block = self._block
        assert block is not None
        end = block.end(text, start)
        block.parts.append(text[start:end])
        if end is None:
            return len(text)
        if block.kind == "text":
            self._say(block.raw)
        else:
            self._append(Segment(block.kind, block.raw, block.content))
        self.asks = self.asks or block.kind in ("code", "call")
        self._block, self._behind = None, block.fence
        return end

    def _read_words(self, line: str, start: int) -> int:
        """Words up to the end of the line, or to a block that opens on it; give the position behind them."""
        behind, self._behind = self._behind, None
        if behind is not None and self._only_blanks and self._found and _END_OF_FENCE.match(line, start):
            self._found[-1] = replace(self._found[-1], raw=self._found[-1].raw + line[start:])
            return len(line)
        opening = self._opening(line, start, behind)
        if opening is None:
            self._say(line[start:])
            return len(line)
        self._say(line[start : opening.start])
        self._block = opening.block
        return opening.end

    def _opening(self, line: str, start: int, behind: int | None) -> _Opening | None:
        if behind is None and not _MAY_OPEN.search(line, start):
            return None
        is_quoted = start == 0 and line.lstrip().startswith(">")
        return None if is_quoted else self._tag(line, start) or self._fence(line, start, behind)

    def _tag(self, line: str, start: int) -> _Opening | None:
        """The first tag that opens a block: alone at the start or end of a line, before arguments, or closed on it."""
        first_word = len(line) - len(line[start:].lstrip())
        for tag in _TAG.finditer(line, start):
            before = line[tag.start() - 1 : tag.start()]
            block = TaggedBlock(_TAGS[tag[0]], tag[0])
            is_alone = tag.start() == first_word or _BEFORE_INSIDE.match(line, tag.end())
            if before not in _QUOTES and (is_alone or line.endswith(block.closing)):
                return _Opening(block, tag.start(), tag.end())
        return None

    def _fence(self, line: str, start: int, behind: int | None) -> _Opening | None:
        """The fence that ends a line and opens a block. Python may begin behind words, its output behind Python."""
        follows_code = self._only_blanks and bool(self._found) and self._found[-1].kind in ("code", "call")
        on_its_line = _ONE_LINE_OUTPUT.match(line, start)
        if on_its_line is not None and follows_code:
            return _Opening(FencedBlock("output", on_its_line[0], len(on_its_line[1])), start, on_its_line.end())
        end = max(line.rfind("`", start) + 1, start)
        label = _LABEL.fullmatch(line, end)
        if label is None:
            return None
        kind = _KINDS.get(label[1].lower(), "text")
        run = run_at(line, start, end)
        if run < 3:
            is_shared = bool(behind) and kind != "text" and end - run == start  # the fence that closed the block
            return _Opening(_block(kind, line[start:], behind or 0), start, len(line)) if is_shared else None
        first = end - run
        if line[start:first].strip() and not (kind == "code" or (kind == "output" and follows_code)):
            return None
        return _Opening(_block(kind, line[first:], run), first, len(line))

    def _say(self, words: str) -> None:
        self._words.append(words)
        self._only_blanks = self._only_blanks and not words.strip()

    def _append(self, segment: Segment) -> None:
        self._flush()
        self._found.append(segment)

    def _flush(self) -> None:
        text = "".join(self._words)
        self._words.clear()
        self._only_blanks = True
        if text:
            self._found.append(Segment("text", text, text))


@dataclass(frozen=True, slots=True)
class _Opening:
    """Where on a line a block opens, and where its inside begins."""

    block: Block
    start: int
    end: int


def _block(kind: Kind, opening: str, fence: int) -> Block:
    return (CodeBlock if kind == "code" else FencedBlock)(kind, opening, fence)
