"""Harmony's messages at the level of token ids: cut a stream of ids into messages, and join them again.

`join(split(ids)) == ids` holds for every list of ids, well formed or not: a message keeps its header and content as
they were spelled, and says which of its marks were there. Role, channel and the like are read from the header for
whoever asks; they are never written back.

Format: https://cookbook.openai.com/articles/openai-harmony
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import require_control

START, MESSAGE, CHANNEL, CONSTRAIN = "<|start|>", "<|message|>", "<|channel|>", "<|constrain|>"
END, CALL, RETURN = "<|end|>", "<|call|>", "<|return|>"
CONTROL_TOKENS = (START, END, MESSAGE, CHANNEL, CONSTRAIN, RETURN, CALL)

_RECIPIENT = re.compile(r"to=(\S*)")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says. `role` is empty where the header does not name its author (the prompt did)."""

    role: str = ""
    recipient: str | None = None
    channel: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class HarmonyMessage:
    """A stretch of ids: `[start] header [message] content [end]`, each bracketed mark there or not.

    `end` is the id that closed it (`<|end|>`, `<|call|>` or `<|return|>`), None for a message that was cut short.
    Without `<|message|>` there is a header and no content.
    """

    header: list[int]
    content: list[int]
    started: bool = True
    opened: bool = True
    end: int | None = None


class HarmonyTokens:
    """The control tokens of one tokenizer, and what can be done on ids with them alone."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        require_control(tokenizer, CONTROL_TOKENS)
        self.tokenizer = tokenizer
        self.start, self.end, self.message, self.channel, self.constrain, self.return_, self.call = (
            tokenizer.control[spelling] for spelling in CONTROL_TOKENS
        )
        self._closing = {self.end, self.call, self.return_}

    def split(self, ids: list[int]) -> list[HarmonyMessage]:
        """Cut ids into messages. Every id goes into exactly one of them."""
        messages: list[HarmonyMessage] = []
        position = 0
        while position < len(ids):
            position = self._take(ids, position, messages)
        return messages

    def join(self, messages: Iterable[HarmonyMessage]) -> list[int]:
        """The ids of messages: the inverse of `split`."""
        ids: list[int] = []
        for m in messages:
            ids += [self.start] if m.started else []
            ids += m.header
            ids += [self.message] if m.opened else []
            ids += m.content
            ids += [m.end] if m.end is not None else []
        return ids

    def read_header(self, header: list[int]) -> Header:
        """Role, recipient (before or after the channel), channel and content type of a header."""
        author, channel, after = _partition(header, self.channel)
        # the content type follows <|constrain|>, or is the word left over once the rest is known
        author, constrained, author_type = _partition(author, self.constrain)
        after, after_constrained, after_type = _partition(after, self.constrain)
        author_words, author_to = self._words(author)
        after_words, after_to = self._words(after)
        role = author_words[:1]
        kind = author_words[1:]
        if channel:
            kind += after_words[1:]
        if constrained or after_constrained:
            kind = self.tokenizer.decode(author_type + after_type).split() or kind
        return Header(
            role=role[0] if role else "",
            recipient=after_to or author_to,
            channel=after_words[0] if after_words else None,
            content_type=kind[0] if kind else None,
        )

    def _words(self, ids: list[int]) -> tuple[list[str], str | None]:
        """The words of a piece of header, and the recipient among them."""
        text = self.tokenizer.decode(ids)
        found = _RECIPIENT.search(text)
        if not found:
            return text.split(), None
        return (text[: found.start()] + " " + text[found.end() :]).split(), found[1] or None

    def _take(self, ids: list[int], position: int, messages: list[HarmonyMessage]) -> int:
        """Append the message that begins at `position`; give the position after it."""
        started = ids[position] == self.start
        first = position + started
        stop = first
        while stop < len(ids) and ids[stop] != self.start and ids[stop] not in self._closing:
            stop += 1
        closed = stop < len(ids) and ids[stop] != self.start
        header, opened, content = _partition(ids[first:stop], self.message)
        messages.append(
            HarmonyMessage(header, content, started=started, opened=opened, end=ids[stop] if closed else None)
        )
        return stop + closed


def _partition(ids: list[int], mark: int) -> tuple[list[int], bool, list[int]]:
    if mark not in ids:
        return ids, False, []
    at = ids.index(mark)
    return ids[:at], True, ids[at + 1 :]
