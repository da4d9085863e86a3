"""Fenced text read back as messages in OpenAI form.

What stands inside `<think>` is reasoning, also where a prompt opened it and the text only closes it; the rest is
content. A code block is a call, an output block its result; budget notes are dropped, as nobody said them.
"""

from __future__ import annotations

import json
import re

from factory.dialects.fenced_text import segments
from factory.dialects.protocol import Parsed
from factory.records import FunctionCall, Message, MessageToolCall

_THINK = re.compile(r"</?think>")


class Reader:
    """Collects the messages of one trace."""

    def __init__(self, tool_name: str) -> None:
        self.messages: list[Message] = []
        self.truncated = False
        self._tool_name = tool_name
        self._problems: list[str] = []
        self._n_calls = self._n_outputs = 0

    def read(self, text: str) -> None:
        """Take in what the assistant wrote, results included."""
        found = segments(text)
        first = _THINK.search("".join(s.raw for s in found if s.kind == "text"))
        thinking = first is not None and first[0] == "</think>"
        pending: str | None = None
        thought, said = "", ""
        for segment in found:
            if segment.kind == "text" or not segment.closed:
                thinking, more_thought, more_said = _unthink(segment.raw, thinking)
                thought, said = thought + more_thought, said + more_said
                self.truncated = self.truncated or not segment.closed
            elif segment.kind == "code":
                self._n_calls += 1
                pending = f"call_{self._n_calls}"
                self._say(thought, said, self._call(pending, segment.content))
                thought, said = "", ""
            elif segment.kind == "output":
                if said.strip() or thought.strip():
                    self._say(thought, said)
                    thought, said = "", ""
                self._answer(segment.content, pending)
                pending = None
        if said.strip() or thought.strip():
            self._say(thought, said)
        self.truncated = self.truncated or thinking

    def parsed(self) -> Parsed:
        return Parsed(
            messages=self.messages,
            n_python_calls=self._n_calls,
            n_tool_outputs=self._n_outputs,
            truncated=self.truncated,
            problems=self._problems,
        )

    def _say(self, thought: str, said: str, call: MessageToolCall | None = None) -> None:
        self.messages.append(
            Message(
                role="assistant",
                content=said.strip(),
                reasoning_content=thought.strip() or None,
                tool_calls=[call] if call else None,
            )
        )

    def _answer(self, content: str, call_id: str | None) -> None:
        self._n_outputs += 1
        if call_id is None:
            self._problems.append("an output block follows no code block")
        self.messages.append(Message(role="tool", content=content, tool_call_id=call_id))

    def _call(self, call_id: str, code: str) -> MessageToolCall:
        arguments = json.dumps({"code": code}, ensure_ascii=False)
        return MessageToolCall(id=call_id, function=FunctionCall(name=self._tool_name, arguments=arguments))


def _unthink(text: str, thinking: bool) -> tuple[bool, str, str]:
    """Part a text into thought and speech; also whether the thought goes on after it."""
    parts = {True: "", False: ""}
    position = 0
    for mark in _THINK.finditer(text):
        parts[thinking] += text[position : mark.start()]
        thinking, position = mark[0] == "<think>", mark.end()
    parts[thinking] += text[position:]
    return thinking, parts[True], parts[False]
