"""Fenced: models that write Python between ```python fences and read its result in an ```output block.

No control token marks a call, so the text is watched for a closing fence. The chat around it is ChatML where the
tokenizer has its tokens (Qwen, OpenMath-Nemotron), else plain text under headings. Effort and tool are told in words,
because these models have no switch for them. After each result a short note says how many calls are left, as the
data of OpenMathReasoning does (arXiv 2504.16891).
"""

from __future__ import annotations

import re

from factory.dialects.fenced_parse import Reader
from factory.dialects.fenced_text import fenced, segments
from factory.dialects.protocol import Parsed, Tokenizer, Turn
from factory.dialects.shown import shown_output
from factory.records import Message, Mode, ToolCall

_PYTHON = (
    "You can run Python. Write the code between a line ```python and a line ```, then stop: its result follows in a "
    "block that begins with ```output. Variables stay from one block to the next."
)
_BEGIN_OF_TEXT = ("<|begin_of_text|>", "<s>", "<bos>")
_END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "</s>", "<eos>")
_PARTS = ("Instructions", "Problem", "Solution")
_LOOK_BACK = 16


class Fenced:
    """The fenced dialect over one tokenizer."""

    name = "fenced"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        python_description: str = _PYTHON,
        tool_name: str = "stateful_python_code_exec",
    ) -> None:
        self.tokenizer = tokenizer
        self.python_description, self.tool_name = python_description, tool_name
        control = tokenizer.control
        self._start, self._end = control.get("<|im_start|>"), control.get("<|im_end|>")
        self._is_chat = self._start is not None and self._end is not None
        ends = ["<|im_end|>", *_END_OF_TEXT] if self._is_chat else _END_OF_TEXT
        self.stop_token_ids = [control[spelling] for spelling in ends if spelling in control]
        self._begin = [control[spelling] for spelling in _BEGIN_OF_TEXT if spelling in control][:1]

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        """A system message of `system`, effort and tool in words; the user's message; the assistant's header."""
        told = [system, f"Reasoning effort: {mode.value}." if mode else "", self.python_description if tool else ""]
        instructions = "\n\n".join(filter(None, told))
        if self._is_chat:
            opening = self._message("system", instructions) if instructions else []
            return [*opening, *self._message("user", user), *self._open("assistant")]
        return [*self._begin, *self.tokenizer.encode(_plain(instructions, user))]

    def turn(self, generated: list[int]) -> Turn:
        """The code of a block that closes the turn. A model that ends its message after a block wants nothing run."""
        if generated and generated[-1] in self.stop_token_ids:
            return Turn()
        found = [s for s in segments(self.tokenizer.decode(generated)) if s.raw.strip()]
        if not found or found[-1].kind != "code" or not found[-1].closed:
            return Turn()
        code = found[-1].content
        return Turn(code=code) if code.strip() else Turn(malformed="the block holds no code")

    def end_of_turn(self, token_ids: list[int], *, start: int, n_new: int) -> int | None:
        """The first token after which a code block is closed."""
        recent = self.tokenizer.decode(token_ids[max(start, len(token_ids) - n_new - _LOOK_BACK) :])
        if "```" not in recent and "</tool_call>" not in recent:
            return None
        if not self._holds_call(token_ids[start:]):
            return None
        first = max(start, len(token_ids) - n_new) + 1
        candidates = range(first, len(token_ids) + 1)
        return next((n for n in candidates if self._holds_call(token_ids[start:n])), len(token_ids))

    def tool_output(self, call: ToolCall, *, calls_left: int | None = None) -> list[int]:
        """The result as an ```output block, and a note of the calls that are left where that is known."""
        text = "\n" + fenced("output", shown_output(call))
        if calls_left is not None and calls_left > 0:
            text += fenced("system", f"Python runs left: {calls_left}. You may also go on without code.")
        elif calls_left is not None:
            text += fenced("system", "No Python runs are left. Go on without code.")
        return self.tokenizer.encode(text)

    def parse(self, token_ids: list[int]) -> Parsed:
        """Messages of a whole trace, or of a bare solution without any prompt."""
        return self._parse_chat(token_ids) if self._is_chat else self._parse_plain(token_ids)

    def _holds_call(self, ids: list[int]) -> bool:
        return any(s.kind == "code" and s.closed for s in segments(self.tokenizer.decode(ids)))

    def _parse_chat(self, token_ids: list[int]) -> Parsed:
        reader = Reader(self.tool_name)
        for opened, ids, closed in self._chat_messages(token_ids):
            text = self.tokenizer.decode(ids)
            role, _, content = text.partition("\n") if opened else ("assistant", "", text)
            if role != "assistant":
                reader.messages.append(Message(role=role, content=content))
            else:
                reader.read(content)
            reader.truncated = reader.truncated or (opened and not closed)
        return reader.parsed()

    def _chat_messages(self, token_ids: list[int]) -> list[tuple[bool, list[int], bool]]:
        """Stretches of ids: whether a message began there, its ids, and whether it was closed."""
        found: list[tuple[bool, list[int], bool]] = []
        opened, current = False, list[int]()
        for i in token_ids:
            if i == self._start or i in self.stop_token_ids:
                if opened or self.tokenizer.decode(current).strip():
                    found.append((opened, current, i != self._start))
                opened, current = i == self._start, []
            else:
                current.append(i)
        if opened or self.tokenizer.decode(current).strip():
            found.append((opened, current, False))
        return found

    def _parse_plain(self, token_ids: list[int]) -> Parsed:
        reader = Reader(self.tool_name)
        begin = len(self._begin) if token_ids[:1] == self._begin else 0
        end = next((n for n, i in enumerate(token_ids) if i in self.stop_token_ids), len(token_ids))
        parts = _plain_parts(self.tokenizer.decode(token_ids[begin:end]))
        for role, part in (("system", "Instructions"), ("user", "Problem")):
            if part in parts:
                reader.messages.append(Message(role=role, content=parts[part]))
        reader.read(parts["Solution"])
        return reader.parsed()

    def _message(self, role: str, text: str) -> list[int]:
        assert self._end is not None
        return [*self._open(role), *self.tokenizer.encode(text), self._end, *self.tokenizer.encode("\n")]

    def _open(self, role: str) -> list[int]:
        assert self._start is not None
        return [self._start, *self.tokenizer.encode(f"{role}\n")]


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
