"""Fenced: models that write Python between ```python fences and read its result in an ```output block.

No control token marks a call, so the text is watched for a closing fence. The chat around it is ChatML where the
tokenizer has its tokens (Qwen, OpenMath-Nemotron), else plain text under headings. Effort and tool are told in words,
because these models have no switch for them. After each result a short note says how many calls are left, as the
data of OpenMathReasoning does (arXiv 2504.16891).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from factory.dialects.fenced_parse import Reader, Stretch, answers, call_of, is_call, written
from factory.dialects.fenced_text import Scanner, fenced, segments
from factory.dialects.protocol import ParsedTrace, Tokenizer, Turn
from factory.dialects.shown import shown_output
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.records import PYTHON_TOOL, Mode, Origin, ToolCall

_PYTHON = (
    "You can run Python. Write the code between a line ```python and a line ```, then stop: its result follows in a "
    "block that begins with ```output. Variables stay from one block to the next."
)
_BEGIN_OF_TEXT = ("<|begin_of_text|>", "<s>", "<bos>")
_END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "</s>", "<eos>")
_PARTS = ("Instructions", "Problem", "Solution")
_TOOL_ROLES = ("tool", "ipython", "observation", "function", "python")


class Fenced:
    """The fenced dialect over one tokenizer."""

    name = "fenced"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        python_description: str = _PYTHON,
        tool_name: str = PYTHON_TOOL,
    ) -> None:
        self.tokenizer = tokenizer
        self.python_description, self.tool_name = python_description, tool_name
        control = tokenizer.control
        self._start, self._end = control.get("<|im_start|>"), control.get("<|im_end|>")
        self._is_chat = self._start is not None and self._end is not None
        ends = ["<|im_end|>", *_END_OF_TEXT] if self._is_chat else _END_OF_TEXT
        self.stop_token_ids = [control[spelling] for spelling in ends if spelling in control]
        self._anchor = tokenizer.encode("a")  # some tokenizers drop a blank at the beginning of a text
        self._pieces: dict[int, str] = {}
        self._begin = [control[spelling] for spelling in _BEGIN_OF_TEXT if spelling in control][:1]

    @staticmethod
    def describe(python: str) -> str:
        """How Python is called, then what `python` says of it."""
        return f"{_PYTHON} {python}"

    @staticmethod
    def read_text(text: str) -> tuple[ParsedTrace, bool]:
        """A transcript, with or without its prompt, and whether its blocks joined again are the same text."""
        chat = ("<|im_start|>", "<|im_end|>") if "<|im_start|>" in text else ()
        tokenizer = ByteTokenizer([*chat, "<|endoftext|>"])
        parsed = Fenced(tokenizer).parse(encode_markup(tokenizer, text))
        return parsed, "".join(s.raw for s in segments(text)) == text

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        """A system message of `system`, effort and tool in words; the user's message; the assistant's header."""
        told = [system, f"Reasoning effort: {mode.value}." if mode else "", self.python_description if tool else ""]
        instructions = "\n\n".join(filter(None, told))
        if self._is_chat:
            opening = self._message("system", instructions) if instructions else []
            return [*opening, *self._message("user", user), *self._open("assistant")]
        return [*self._begin, *self.tokenizer.encode(_plain(instructions, user))]

    def turn(self, generated: list[int], *, opening: list[int] | None = None, mode: Mode | None = None) -> Turn:
        """The call that closes the turn. A model that ends its message after a block of code only shows the code."""
        ended = bool(generated) and generated[-1] in self.stop_token_ids
        text = self.tokenizer.decode(generated[:-1] if ended else generated)
        last = next((s for s in reversed(segments(text)) if s.raw.strip()), None)
        return call_of(last).turn if last is not None and is_call(last, ended=ended) else Turn()

    def turn_end(self) -> _TurnEnd:
        """Watches for the closing fence, which no stop token follows."""
        return _TurnEnd(self._piece)

    def tool_output(self, *calls: ToolCall, turn: Turn | None = None, calls_left: int | None = None) -> list[int]:
        """The result as an ```output block, and a note of the calls that are left where that is known."""
        text = "\n" + "".join(fenced("output", shown_output(call)) for call in calls)
        if calls_left is not None and calls_left > 0:
            text += fenced("system", f"Python runs left: {calls_left}. You may also go on without code.")
        elif calls_left is not None:
            text += fenced("system", "No Python runs are left. Go on without code.")
        return self.tokenizer.encode(text)

    def parse(self, token_ids: list[int], mask: list[int] | None = None) -> ParsedTrace:
        """Messages of a whole trace, or of a bare solution without any prompt."""
        return self._parse_chat(token_ids, mask) if self._is_chat else self._parse_plain(token_ids, mask)

    def _parse_chat(self, token_ids: list[int], mask: list[int] | None) -> ParsedTrace:
        reader = Reader(self.tool_name)
        for span, opened, closed in self._chat_messages(token_ids, mask):
            stretches = self.stretches(token_ids[span], None if mask is None else mask[span])
            role = "assistant"
            if opened and stretches:
                role, _, rest = stretches[0].text.partition("\n")
                stretches[0] = replace(stretches[0], text=rest)
            text = "".join(stretch.text for stretch in stretches)
            if role == "assistant":
                reader.read(written(stretches), ended=closed)
            elif role in _TOOL_ROLES or (role == "user" and reader.is_waiting and answers(text)):
                for answer in answers(text) or [text]:
                    reader.answer(answer)
            else:
                reader.speak(role, text)
            reader.truncated = reader.truncated or (opened and not closed)
        return reader.parsed()

    def _chat_messages(self, token_ids: list[int], mask: list[int] | None) -> Iterator[tuple[slice, bool, bool]]:
        """Where each message lies, and whether it was opened and closed. What the model writes opens none."""
        opened, start = False, 0
        for position, token in enumerate(token_ids):
            opens = token == self._start and (mask is None or mask[position] != Origin.GENERATED)
            if opens or token in self.stop_token_ids:
                if opened or self.tokenizer.decode(token_ids[start:position]).strip():
                    yield slice(start, position), opened, not opens
                opened, start = opens, position + 1
        if opened or self.tokenizer.decode(token_ids[start:]).strip():
            yield slice(start, None), opened, False

    def _parse_plain(self, token_ids: list[int], mask: list[int] | None) -> ParsedTrace:
        reader = Reader(self.tool_name)
        begin = len(self._begin) if token_ids[:1] == self._begin else 0
        end = next((n for n, i in enumerate(token_ids) if i in self.stop_token_ids), len(token_ids))
        stretches = self.stretches(token_ids[begin:end], None if mask is None else mask[begin:end])
        parts = _plain_parts(stretches[0].text if stretches else "")
        for role, part in (("system", "Instructions"), ("user", "Problem")):
            if part in parts:
                reader.speak(role, parts[part])
        solution = [replace(stretches[0], text=parts["Solution"]), *stretches[1:]] if stretches else []
        reader.read(written(solution), ended=end < len(token_ids))
        return reader.parsed()

    def stretches(self, token_ids: list[int], mask: list[int] | None) -> list[Stretch]:
        """The text of all tokens, cut where its author changes."""
        if mask is None:
            return [Stretch(self.tokenizer.decode(token_ids))] if token_ids else []
        stretches, start = list[Stretch](), 0
        for origin, same in itertools.groupby(mask):
            stop = start + len(list(same))
            stretches.append(Stretch(self.tokenizer.decode(token_ids[start:stop]), origin))
            start = stop
        return stretches

    def _piece(self, token_id: int) -> str:
        """The text that a token adds to other text; half a character is U+FFFD."""
        if token_id not in self._pieces:
            before = self.tokenizer.decode(self._anchor)
            self._pieces[token_id] = self.tokenizer.decode([*self._anchor, token_id])[len(before) :]
        return self._pieces[token_id]

    def _message(self, role: str, text: str) -> list[int]:
        assert self._end is not None
        return [*self._open(role), *self.tokenizer.encode(text), self._end, *self.tokenizer.encode("\n")]

    def _open(self, role: str) -> list[int]:
        assert self._start is not None
        return [self._start, *self.tokenizer.encode(f"{role}\n")]


class _TurnEnd:
    """Looks for the first token that completes a closing fence."""

    def __init__(self, piece: Callable[[int], str]) -> None:
        self._piece, self._scanner = piece, Scanner()

    def feed(self, token_ids: list[int]) -> int | None:
        for number, token_id in enumerate(token_ids, start=1):
            self._scanner.feed(self._piece(token_id))
            if self._scanner.asks:
                return number
        return None


def _plain(instructions: str, user: str) -> str:
    """A prompt of headings, so many levels deep that no line of its texts can be taken for one of them."""
    used = [len(level) for level in re.findall(r"^(#+) ", f"{instructions}\n{user}", re.MULTILINE)]
    level = "#" * max(3, *(n + 1 for n in used)) if used else "###"
    parts = [("Instructions", instructions)] if instructions else []
    parts += [("Problem", user)]
    return "".join(f"{level} {name}\n\n{text}\n\n" for name, text in parts) + f"{level} Solution\n\n"


def _plain_parts(text: str) -> dict[str, str]:
    """The inverse of `_plain` with what the model wrote under Solution. Text without our headings is a solution."""
    opening = re.match(r"(#{3,}) (?:Instructions|Problem)\n\n", text)
    if not opening:
        return {"Solution": text}
    heading = re.compile(rf"(?:^|\n\n){opening[1]} ({'|'.join(_PARTS)})\n\n")
    parts: dict[str, str] = {}
    while "Solution" not in parts and (match := heading.match(text)):
        rest = text[match.end() :]
        following = heading.search(rest) if match[1] != "Solution" else None
        parts[match[1]] = rest[: following.start()] if following else rest
        text = rest[following.start() :] if following else ""
    return {"Solution": "", **parts}
