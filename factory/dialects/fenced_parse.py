"""Fenced text read back as messages in OpenAI form.

What stands inside `<think>` is reasoning, also where a prompt opened it and the text only closes it; the rest is
content. A block of code is a call if its output follows, or if the turn ends with it; any other was only shown, and is
text. What stands between `<tool_call>` tags is a call in any case. Budget notes are dropped, as nobody said them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from factory.dialects.calls import Call, read_call, read_tool_call
from factory.dialects.fenced_text import Segment, segments
from factory.dialects.protocol import ParsedTrace
from factory.records import Message, MessageToolCall, Origin

_THINK = re.compile(r"</?think>")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text of one author: an `Origin`, or None if that is not known."""

    text: str
    origin: int | None = None


def is_call(segment: Segment, *, ended: bool) -> bool:
    """Whether the last block of a turn asks to be run. `ended`: a stop token follows it."""
    return segment.closed and (segment.kind == "call" or (segment.kind == "code" and not ended))


def call_of(segment: Segment) -> Call:
    """What a block of code, or of a tool call, asks for."""
    return read_tool_call(segment.content) if segment.kind == "call" else read_call(segment.content)


def answers(text: str) -> list[str]:
    """The outputs in a message that consists of `<tool_response>` blocks; none if it holds anything else."""
    found = [s for s in segments(text) if s.raw.strip()]
    return [s.content for s in found] if all(s.kind == "output" and s.closed for s in found) else []


def written(stretches: list[Stretch]) -> list[Segment]:
    """The segments of an assistant's message. An output, or a note, is a tool's; what the model wrote is its own."""
    return [segment for stretch in stretches for segment in _written(stretch)]


def _written(stretch: Stretch) -> Iterator[Segment]:
    found = segments(stretch.text)
    if stretch.origin == Origin.TOOL:
        outputs = [s for s in found if s.kind == "output" and s.closed]
        yield from outputs or [Segment("output", stretch.text, stretch.text)]
        return
    after_output = False
    for segment in found:
        is_own = stretch.origin is not None or (segment.kind == "note" and not after_output)
        if segment.kind == "note" and not is_own:
            continue
        yield replace(segment, kind="text") if is_own and segment.kind in ("output", "note") else segment
        after_output = segment.kind == "output" or (after_output and not segment.raw.strip())


class Reader:
    """Collects the messages of one trace."""

    def __init__(self, tool_name: str) -> None:
        self.truncated = False
        self._messages: list[Message] = []
        self._problems: list[str] = []
        self._final: str | None = None
        self._tool_name = tool_name
        self._n_calls = self._n_python_calls = self._n_outputs = 0
        self._unanswered: list[str] = []  # ids of calls that were made in one go
        self._held: list[Segment] = []  # words and code, as long as an output may make the code a call
        self._ended = False  # a stop token comes after what is held
        self._thinking = False
        self._thought: list[str] = []
        self._said: list[str] = []

    @property
    def is_waiting(self) -> bool:
        """Whether an output may come next."""
        return bool(self._unanswered) or any(segment.kind == "code" for segment in self._held)

    def speak(self, role: str, text: str) -> None:
        """Take a message of someone else than assistant and tool."""
        self._settle()
        self._emit()
        self._unanswered.clear()
        self._final = None
        self._messages.append(Message(role=role, content=text))

    def read(self, found: list[Segment], *, ended: bool) -> None:
        """Take an assistant's message, results included. `ended`: a stop token closed it."""
        self._settle()
        self._emit()
        marks = _THINK.findall("".join(s.raw for s in found if s.kind == "text" or not s.closed))
        self._thinking = marks[:1] == ["</think>"]
        self._ended = False
        for segment in found:
            self.truncated = self.truncated or not segment.closed
            if segment.kind == "output" and segment.closed:
                self.answer(segment.content)
            elif segment.kind == "call" and segment.closed:
                self._settle(shown=True)
                self._ask(segment)
            else:
                self._held.append(segment if segment.closed else replace(segment, kind="text"))
        self._ended = ended
        self.truncated = self.truncated or marks[-1:] == ["<think>"]

    def answer(self, content: str) -> None:
        """Take an output. It answers the call before it."""
        self._settle(answered=True)
        self._emit()
        self._n_outputs += 1
        if not self._unanswered:
            self._problems.append("an output block follows no code block")
        call_id = self._unanswered.pop(0) if self._unanswered else None
        self._final = None
        self._messages.append(Message(role="tool", content=content, tool_call_id=call_id))

    def parsed(self) -> ParsedTrace:
        self._settle()
        self._emit()
        return ParsedTrace(
            messages=self._messages,
            n_python_calls=self._n_python_calls,
            n_tool_outputs=self._n_outputs,
            truncated=self.truncated,
            problems=self._problems,
            final=self._final,
        )

    def _settle(self, *, answered: bool = False, shown: bool = False) -> None:
        """Tell which of the code held was a call: the last block, if it was answered or ends the turn."""
        held, self._held = self._held, []
        last = next((n for n in reversed(range(len(held))) if held[n].kind == "code"), None)
        if last is not None and not answered:
            follows = any(segment.raw.strip() for segment in held[last + 1 :])
            last = None if shown or follows or not is_call(held[last], ended=self._ended) else last
        for number, segment in enumerate(held):
            if number == last:
                self._ask(segment)
            else:
                self._take_words(segment.raw)

    def _take_words(self, text: str) -> None:
        """Part a text into thought and speech. A thought after speech begins a message, to keep the order."""
        position = 0
        for mark in _THINK.finditer(text):
            self._take(text[position : mark.start()])
            self._thinking, position = mark[0] == "<think>", mark.end()
        self._take(text[position:])

    def _take(self, text: str) -> None:
        if not text.strip() and not (self._thought if self._thinking else self._said):
            return
        if self._thinking and self._said and text.strip():
            self._emit()
        (self._thought if self._thinking else self._said).append(text)

    def _ask(self, segment: Segment) -> None:
        call = call_of(segment)
        self._n_calls += 1
        self._n_python_calls += call.is_python
        if call.turn.malformed and call.is_python:
            self._problems.append(call.turn.malformed)
        if self._said or self._thought or not self._messages or not self._messages[-1].tool_calls:
            self._unanswered.clear()
        self._unanswered.append(f"call_{self._n_calls}")
        self._emit(call.message(self._n_calls, self._tool_name))

    def _emit(self, call: MessageToolCall | None = None) -> None:
        """Turn thought and speech so far into one message."""
        thought, said = "".join(self._thought).strip(), "".join(self._said).strip()
        self._thought, self._said = [], []
        if not (thought or said or call):
            return
        self._final = None if call else said or self._final
        self._messages.append(
            Message(
                role="assistant",
                content=said,
                reasoning_content=thought or None,
                tool_calls=[call] if call else None,
            )
        )
