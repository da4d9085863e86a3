"""Harmony read back: the code of a Python call, and the messages of a whole trace in OpenAI form.

An assistant's harmony messages up to a call, or up to its final words, become one message: analysis is its
`reasoning_content`; final text, and commentary that calls nothing, its `content`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from factory.dialects.harmony_message import HarmonyMessage, HarmonyTokens, Header
from factory.dialects.harmony_prompt import PYTHON
from factory.dialects.protocol import Parsed, Turn
from factory.records import FunctionCall, Message, MessageToolCall

_PYTHON_NAMES = {PYTHON, "stateful_python_code_exec"}
_SPEAKERS = {"system", "developer", "user"}


def read_call(tokens: HarmonyTokens, message: HarmonyMessage) -> Turn:
    """The code of a message that `<|call|>` closed, or what is wrong with the call."""
    header = tokens.read_header(message.header)
    if header.recipient is None:
        return Turn(malformed="the call names no recipient")
    if not is_python(header):
        return Turn(malformed=f"there is no tool named {header.recipient!r}; the only tool is {PYTHON!r}")
    code = tokens.tokenizer.decode(message.content)
    if header.content_type == "json":
        return _code_argument(code)
    return Turn(code=code) if code.strip() else Turn(malformed="the call holds no code")


def is_python(header: Header) -> bool:
    """Whether a message is meant for the Python tool, which models also name as if it were a function."""
    return (header.recipient or "").removeprefix("functions.") in _PYTHON_NAMES


def parse(tokens: HarmonyTokens, token_ids: list[int], *, tool_name: str) -> Parsed:
    """All messages in `token_ids`. What does not follow the format is kept as text or named in `problems`."""
    reader = _Reader(tokens, tool_name)
    split = tokens.split(token_ids)
    for message in split:
        reader.read(message)
    reader.flush()
    return Parsed(
        messages=reader.messages,
        n_python_calls=reader.n_python_calls,
        n_tool_outputs=reader.n_tool_outputs,
        truncated=bool(split) and split[-1].end is None,
        problems=reader.problems,
    )


@dataclass(slots=True)
class _Reader:
    tokens: HarmonyTokens
    tool_name: str
    messages: list[Message] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    n_python_calls: int = 0
    n_tool_outputs: int = 0
    _thought: list[str] = field(default_factory=list)
    _spoken: list[str] = field(default_factory=list)
    _unanswered: list[str] = field(default_factory=list)
    _n_calls: int = 0

    def read(self, message: HarmonyMessage) -> None:
        header = self.tokens.read_header(message.header)
        if not message.opened:
            self._read_unopened(message)
            return
        text = self.tokens.tokenizer.decode(message.content)
        if header.role in _SPEAKERS:
            self.flush()
            self._unanswered.clear()
            self.messages.append(Message(role=header.role, content=text))
        elif header.role not in ("assistant", ""):
            self._read_tool_output(text)
        elif header.recipient is not None and message.end == self.tokens.call:
            self._read_call(message, header, text)
        elif header.channel == "analysis" or header.recipient is not None:
            if self._spoken:
                self.flush()
            self._thought.append(text)
        else:
            self._spoken.append(text)
        if message.end is None:
            self.problems.append(f"the {header.channel or header.role or 'first'} message has no end")

    def flush(self, calls: list[MessageToolCall] | None = None) -> None:
        """Turn what the assistant has said so far into one message."""
        if self._thought or self._spoken or calls:
            thought = "\n\n".join(self._thought) if self._thought else None
            self.messages.append(
                Message(
                    role="assistant",
                    content="\n\n".join(self._spoken),
                    reasoning_content=thought,
                    tool_calls=calls,
                )
            )
        self._thought, self._spoken = [], []

    def _read_call(self, message: HarmonyMessage, header: Header, text: str) -> None:
        self._n_calls += 1
        function = FunctionCall(name=(header.recipient or "").removeprefix("functions."), arguments=text)
        if is_python(header):
            self.n_python_calls += 1
            turn = read_call(self.tokens, message)
            code = text if turn.code is None else turn.code
            function = FunctionCall(name=self.tool_name, arguments=json.dumps({"code": code}, ensure_ascii=False))
            if turn.malformed:
                self.problems.append(turn.malformed)
        call = MessageToolCall(id=f"call_{self._n_calls}", function=function)
        self._unanswered.append(call.id)
        self.flush([call])

    def _read_tool_output(self, text: str) -> None:
        self.flush()
        self.n_tool_outputs += 1
        call_id = self._unanswered.pop(0) if self._unanswered else None
        if call_id is None:
            self.problems.append("a tool output answers no call")
        self.messages.append(Message(role="tool", content=text, tool_call_id=call_id))

    def _read_unopened(self, message: HarmonyMessage) -> None:
        """Ids without `<|message|>`: a header that was cut off, the opening for the next speaker, or loose text."""
        text = self.tokens.tokenizer.decode(message.header).strip()
        if self.tokens.channel in message.header or text in ("", "assistant", *_SPEAKERS):
            return
        self.problems.append("text stands outside any message")
        self._spoken.append(text.removeprefix("assistant") if message.started else text)


def _code_argument(text: str) -> Turn:
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Turn(malformed=f"the arguments are not valid JSON: {error}")
    code = arguments.get("code") if isinstance(arguments, dict) else None
    if not isinstance(code, str) or not code.strip():
        return Turn(malformed="the arguments hold no string under 'code'")
    return Turn(code=code)
