"""What a cell printed, kept within bounds while it is read: the head, the tail, and how much lies between."""

from __future__ import annotations

import codecs


class Output:
    """Collects one stream of a cell. However much is fed, it holds about `limit` characters.

    Bytes that are not UTF-8 become U+FFFD, so the text is always valid Unicode. Everything else is kept as it was
    printed, terminal escapes and spellings of chat control tokens included: a dialect encodes tool output as plain
    text, never as control tokens.
    """

    def __init__(self, limit: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head_room = limit - limit // 2
        self._tail_room = limit // 2
        self._head = ""
        self._tail = ""
        self._dropped = 0
        self.bytes_read = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.bytes_read += len(data)
        self._keep(self._decoder.decode(data))

    def text(self) -> str:
        """All of it, or head and tail with the number of characters cut between them."""
        self._keep(self._decoder.decode(b"", final=True))
        self._decoder.reset()
        surplus = max(0, len(self._tail) - self._tail_room)
        cut = self._dropped + surplus
        if not cut:
            return self._head + self._tail
        return f"{self._head}\n... [{cut} characters cut] ...\n{self._tail[surplus:]}"

    def _keep(self, text: str) -> None:
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += text[:room]
            text = text[room:]
        self._tail += text
        if len(self._tail) > 2 * self._tail_room + 65_536:  # trimmed now and then, not at every chunk
            surplus = len(self._tail) - self._tail_room
            self._dropped += surplus
            self._tail = self._tail[surplus:]
