"""Harmony read back: the call that ends a turn, and the messages of a whole trace in OpenAI form.

An assistant's harmony messages up to a call, or up to its final words, become one message: analysis is its
`reasoning_content`; final text, and commentary that calls nothing, its `content`. Both readings share the header
(`harmony_header`) and the call (`_call`), so that no call is run which the messages deny, nor the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from factory.dialects.calls import Call, read_call
from factory.dialects.harmony_header import ASSISTANT, SPEAKERS, Header, is_tool, read_header
from factory.dialects.harmony_message import HarmonyMessage, HarmonyTokens
from factory.dialects.protocol import ParsedTrace, Turn
from factory.records import Message, MessageToolCall, Origin

_SILENT_CHANNELS = ("analysis", "commentary")


def read_turn(tokens: HarmonyTokens, generated: list[int]) -> Turn:
    """What the last message of a turn asks for. Only `<|call|>` at its very end asks for anything."""
    if not generated or generated[-1] != tokens.call:
        return Turn()
    message = tokens.split(tokens.open(ASSISTANT) + generated)[-1]
    return _call(_Item.read(tokens, message, None)).turn


def parse(tokens: HarmonyTokens, token_ids: list[int], mask: list[int] | None, *, tool_name: str) -> ParsedTrace:
    """All messages in `token_ids`. What does not follow the format is kept as text or named in `problems`."""
    items, position = list[_Item](), 0
    for message in tokens.split(token_ids):
        position += len(message)
        items.append(_Item.read(tokens, message, None if mask is None else mask[position - 1]))
    reader = _Reader(tokens, tool_name)
    for item, following in zip(items, _followers(items), strict=True):
        reader.read(item, following)
    return reader.parsed()


@dataclass(frozen=True, slots=True)
class _Item:
    """A message, its header read and its text decoded. `origin` is who wrote its last token, None if unknown."""

    message: HarmonyMessage
    header: Header
    text: str
    origin: int | None

    @classmethod
    def read(cls, tokens: HarmonyTokens, message: HarmonyMessage, origin: int | None) -> _Item:
        header = read_header(tokens, message)
        text = tokens.tokenizer.decode(message.content) if message.opened else header.surplus
        return cls(message, header, text, origin)

    @property
    def by_assistant(self) -> bool:
        """What the model wrote is its own, in whose name it may be."""
        return self.origin == Origin.GENERATED or self.header.role in ("", ASSISTANT)

    @property
    def is_empty(self) -> bool:
        return not self.message.opened and not self.text


def _call(item: _Item) -> Call:
    """The call that a message makes. One without a recipient can only be meant for Python."""
    header, message = item.header, item.message
    if header.recipient is None:
        return Call(Turn(malformed="the call names no recipient"), item.text)
    call = read_call(item.text, function=header.recipient, is_json=header.content_type == "json")
    if message.opened or call.turn.code is None:
        return call
    return Call(Turn(malformed="the call has no <|message|> before its code"), item.text, header.recipient)


def _followers(items: list[_Item]) -> list[_Item | None]:
    """For each message the next one that says anything."""
    following: list[_Item | None] = []
    after: _Item | None = None
    for item in reversed(items):
        following.append(after)
        after = after if item.is_empty else item
    return following[::-1]


@dataclass(slots=True)
class _Reader:
    tokens: HarmonyTokens
    tool_name: str
    messages: list[Message] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    n_python_calls: int = 0
    n_tool_outputs: int = 0
    final: str | None = None
    truncated: bool = False
    _thought: list[str] = field(default_factory=list)
    _spoken: list[str] = field(default_factory=list)
    _n_calls: int = 0
    _unanswered: str | None = None  # id of the last call, until something answers it
    _recipients: set[str] = field(default_factory=set)
    _ended: bool = False  # the model ended its answer, and no message has begun since

    def parsed(self) -> ParsedTrace:
        self._flush()
        return ParsedTrace(
            messages=self.messages,
            n_python_calls=self.n_python_calls,
            n_tool_outputs=self.n_tool_outputs,
            truncated=self.truncated,
            problems=self.problems,
            final=self.final,
        )

    def read(self, item: _Item, following: _Item | None) -> None:
        message, header = item.message, item.header
        if self._is_behind_the_end(item):
            return
        self._ended = message.end in (self.tokens.return_, self.tokens.end_of_text)
        if message.started or not item.is_empty:
            self.truncated = message.end is None
        if self._is_call(item, following):
            self._read_call(item)
        elif item.is_empty:
            return
        elif header.role in SPEAKERS and not item.by_assistant:
            self._read_speaker(item)
        elif self._is_output(item):
            self._read_output(item)
        else:
            self._read_words(item)
        self._note_problems(item)

    def _is_behind_the_end(self, item: _Item) -> bool:
        """Whether nothing but padding and stray text stands between the end and the next message, if there is one."""
        message = item.message
        speaks = message.opened or (message.started and item.text)
        if not self._ended or speaks or message.end == self.tokens.call:
            return False
        if item.text:
            self.problems.append(f"text stands behind the end: {item.text!r}")
        return True

    def _is_call(self, item: _Item, following: _Item | None) -> bool:
        """`<|call|>` and a recipient make one. Where either lacks, an output behind it tells, or the end of all."""
        is_closed, recipient = item.message.end == self.tokens.call, item.header.recipient
        if is_closed and (recipient is not None or following is None):
            return True
        may_be = is_closed or (item.by_assistant and recipient not in (None, ASSISTANT))
        return may_be and following is not None and self._is_output(following, item.header)

    def _is_output(self, item: _Item, call: Header | None = None) -> bool:
        """Whether a tool wrote this: one by name, or one that was called (by `call`, which is not counted yet)."""
        if item.by_assistant or item.is_empty:
            return False
        role = item.header.role
        answers = self._unanswered is not None or call is not None
        called = role in self._recipients or (call is not None and role == call.recipient)
        return is_tool(role) or called or (answers and item.header.recipient == ASSISTANT)

    def _read_call(self, item: _Item) -> None:
        call = _call(item)
        self._note_name(item.header)
        self._n_calls += 1
        self.n_python_calls += call.is_python
        self._recipients.add(item.header.recipient or "")
        if item.message.opened and item.header.surplus:
            self._think(item.header.surplus)
        if call.turn.malformed and call.is_python:
            self.problems.append(call.turn.malformed)
        written = call.message(self._n_calls, self.tool_name)
        self._unanswered = written.id
        self._flush([written])

    def _read_output(self, item: _Item) -> None:
        self._flush()
        self.n_tool_outputs += 1
        if self._unanswered is None:
            self.problems.append("a tool output answers no call")
        self.messages.append(Message(role="tool", content=_whole(item), tool_call_id=self._unanswered))
        self._unanswered = None

    def _read_speaker(self, item: _Item) -> None:
        self._flush()
        self._unanswered = self.final = None
        self.messages.append(Message(role=item.header.role, content=_whole(item)))

    def _read_words(self, item: _Item) -> None:
        header, text = item.header, _whole(item)
        self._note_name(header)
        if item.message.end == self.tokens.call:
            self.problems.append("<|call|> closes a message that calls nothing")
        if header.channel == "analysis" or header.recipient is not None:
            self._think(text)
            return
        self._spoken.append(text)
        if header.channel not in _SILENT_CHANNELS and (item.message.started or item.message.opened) and text.strip():
            self.final = text

    def _think(self, text: str) -> None:
        if self._spoken:
            self._flush()
        self._thought.append(text)

    def _note_name(self, header: Header) -> None:
        if header.role not in ("", ASSISTANT):
            self.problems.append(f"a message in the name of {header.role!r} is read as the assistant's own")

    def _note_problems(self, item: _Item) -> None:
        message, header = item.message, item.header
        if not message.opened and not message.started:
            self.problems.append("text stands outside any message")
        elif not message.opened:
            self.problems.append("a message has no <|message|> before its text")
        if message.end is None and (message.opened or message.started):
            self.problems.append(f"the {header.channel or header.role or 'first'} message has no end")

    def _flush(self, calls: list[MessageToolCall] | None = None) -> None:
        """Turn what the assistant has said so far into one message."""
        if self._thought or self._spoken or calls:
            thought = "\n\n".join(self._thought) if self._thought else None
            self.messages.append(
                Message(
                    role=ASSISTANT,
                    content="\n\n".join(self._spoken),
                    reasoning_content=thought,
                    tool_calls=calls,
                )
            )
        self._thought, self._spoken = [], []


def _whole(item: _Item) -> str:
    """The text of a message with what its header holds beyond the format."""
    if item.message.opened and item.header.surplus:
        return f"{item.header.surplus} {item.text}"
    return item.text
