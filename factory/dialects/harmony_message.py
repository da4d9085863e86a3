"""Harmony's messages at the level of token ids: cut a stream of ids into messages, and join them again.

`join(split(ids)) == ids` holds for every list of ids, well formed or not: a message keeps its header and content as
they were spelled, and says which of its marks were there. What a header says is read in `harmony_header`; it is never
written back.

Format: https://cookbook.openai.com/articles/openai-harmony
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import require_control

START, MESSAGE, CHANNEL, CONSTRAIN = "<|start|>", "<|message|>", "<|channel|>", "<|constrain|>"
END, CALL, RETURN = "<|end|>", "<|call|>", "<|return|>"
END_OF_TEXT = "<|endoftext|>"  # what pads a stored transcript; some engines end a message with it
CONTROL_TOKENS = (START, END, MESSAGE, CHANNEL, CONSTRAIN, RETURN, CALL)


@dataclass(frozen=True, slots=True)
class HarmonyMessage:
    """A stretch of ids: `[start] header [message] content [end]`, each bracketed mark there or not.

    `end` is the id that closed it (`<|end|>`, `<|call|>`, `<|return|>` or `<|endoftext|>`), None for a message that was
    cut short. Without `<|message|>` there is a header and no content.
    """

    header: list[int]
    content: list[int]
    started: bool = True
    opened: bool = True
    end: int | None = None

    def __len__(self) -> int:
        """How many ids it is made of."""
        return self.started + len(self.header) + self.opened + len(self.content) + (self.end is not None)


class HarmonyTokens:
    """The control tokens of one tokenizer, and what can be done on ids with them alone."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        require_control(tokenizer, CONTROL_TOKENS)
        self.tokenizer = tokenizer
        self.start, self.end, self.message, self.channel, self.constrain, self.return_, self.call = (
            tokenizer.control[spelling] for spelling in CONTROL_TOKENS
        )
        self.end_of_text = tokenizer.control.get(END_OF_TEXT)
        self._closing = {self.end, self.call, self.return_, self.end_of_text}

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

    def write(self, role: str, text: str, *, recipient: str | None = None, channel: str | None = None) -> list[int]:
        """The ids of one message, its header spelled as the reference renderer does: recipient before channel."""
        encode = self.tokenizer.encode
        header = encode(role)
        header += encode(f" to={recipient}") if recipient else []
        header += [self.channel, *encode(channel)] if channel else []
        return self.join([HarmonyMessage(header, encode(text), end=self.end)])

    def open(self, role: str) -> list[int]:
        """The ids with which a message of `role` begins, for the model to continue."""
        return [self.start, *self.tokenizer.encode(role)]

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
