"""Harmony's headers: who speaks to whom, on which channel. One reading, for the rollout and for stored transcripts.

Models glue the words of a header together, change their order, and forget `<|channel|>` or `<|message|>`. Whatever in
a header is no word of the format is text that the model wrote, and is given back as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from factory.dialects.calls import is_python
from factory.dialects.harmony_message import HarmonyMessage, HarmonyTokens
from factory.dialects.harmony_prompt import CHANNELS

ASSISTANT = "assistant"
SPEAKERS = ("system", "developer", "user")
_TYPES = ("code", "json", "text", "python")
_TO = "to="
_VOCABULARY = (ASSISTANT, *SPEAKERS, *CHANNELS, *_TYPES, _TO)
_TOOL_PREFIXES = ("functions.", "browser.", "container.")
_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class Header:
    """What a header says. `role` is empty if the header does not name its author (the prompt did).

    `surplus` is text that no rule of the format explains, such as the body of a message without `<|message|>`.
    """

    role: str = ""
    recipient: str | None = None
    channel: str | None = None
    content_type: str | None = None
    surplus: str = ""


def is_tool(name: str) -> bool:
    """Whether a role is the name of a tool, whoever was called before."""
    return name == "tool" or is_python(name) or name.startswith(_TOOL_PREFIXES)


def read_header(tokens: HarmonyTokens, message: HarmonyMessage) -> Header:
    """The header of a message, well formed or not."""
    parts = list(_parts(tokens, message.header))
    if not message.started and not message.opened and len(parts) == 1:
        text = parts[0][1].strip()
        return Header(text) if text == ASSISTANT or text in SPEAKERS else Header(surplus=text)
    reader = _Reader(message, has_channel_mark=any(mark == tokens.channel for mark, _ in parts))
    for mark, text in parts:
        reader.expects_channel = mark == tokens.channel
        reader.expects_type = mark == tokens.constrain
        reader.read(reader.read_author(text) if mark is None else text)
    surplus = " ".join(reader.surplus).strip()
    is_cut_off = message.end is None and not message.opened and any(word.startswith(surplus) for word in _VOCABULARY)
    reader.header.surplus = "" if is_cut_off else surplus
    return reader.header


def _parts(tokens: HarmonyTokens, header: list[int]) -> Iterator[tuple[int | None, str]]:
    """The stretches of text between the marks of a header, each with the mark before it."""
    mark, start = None, 0
    for position, token in enumerate(header):
        if token in (tokens.channel, tokens.constrain):
            yield mark, tokens.tokenizer.decode(header[start:position])
            mark, start = token, position + 1
    yield mark, tokens.tokenizer.decode(header[start:])


class _Reader:
    """Reads the words of one header. Without `<|message|>` the body begins at the first that is none of the format."""

    def __init__(self, message: HarmonyMessage, *, has_channel_mark: bool) -> None:
        self.header, self.surplus = Header(), list[str]()
        self.expects_channel = self.expects_type = False
        self._started, self._opened, self._has_channel_mark = message.started, message.opened, has_channel_mark

    def read_author(self, text: str) -> str:
        """Take the author from the front of a header, and give the words behind. They may be glued to it."""
        first = _WORD.search(text)
        word = first[0] if first else ""
        name = word.lower()
        if first is not None and (name in SPEAKERS or is_tool(word)):
            self.header.role = name if name in SPEAKERS else word
            return text[first.end() :]
        self.expects_channel = not self._has_channel_mark
        if first is not None and name.startswith(ASSISTANT):
            self.header.role = ASSISTANT
            return text[first.start() + len(ASSISTANT) :]
        if first is not None and self._started and self._opened and not name.startswith(_TO):
            self.header.role = word
            return text[first.end() :]
        return text

    def read(self, text: str) -> None:
        for match in _WORD.finditer(text):
            if not self._opened and (self.surplus or not self._take(match[0])):
                self.surplus.append(text[match.start() :])
                return
            if self._opened and not self._take(match[0]):
                self.surplus.append(match[0])

    def _take(self, word: str) -> bool:
        """Whether a word belongs to the format; what it says is then known."""
        header = self.header
        if word.startswith(_TO):
            header.recipient = word.removeprefix(_TO) or header.recipient
            self.expects_type = False
        elif self.expects_channel and (word in CHANNELS or (self._opened and self._has_channel_mark)):
            header.channel, self.expects_channel = header.channel or word, False
        elif header.content_type is None and self._is_type(word):
            header.content_type = word
        else:
            return False
        return True

    def _is_type(self, word: str) -> bool:
        if self.expects_type and self._opened:
            return True
        return word in _TYPES and (self.expects_type or self._opened or self.header.recipient is not None)
