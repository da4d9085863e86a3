"""One JSON list as a file of rows: its elements are cut out of the byte stream one by one, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.records import Reject
from factory.sources.files import BadData, File, open_plain
from factory.sources.jsonl import Item, parse
from factory.sources.lines import BOM, CHUNK
from factory.sources.row_error import RowError
from factory.sources.rows import RowPlace, unreadable
from factory.sources.xmlrows import Stream

_SIGN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.S)
_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)


def read_json_list(file: File, *, max_bytes: int, kind: str) -> Iterator[Item | Reject]:
    """The elements of a list that are rows; every other one is a reject. A place's id is `<label>:<index>`."""
    index = 0
    try:
        with open_plain(file) as stream:
            for data, oversized in _elements(stream, max_bytes):
                place = RowPlace(f"{file.label}:{index}", f"{file.uri}, element {index}")
                index += 1
                try:
                    if oversized:
                        raise RowError("oversized_row", f"longer than {max_bytes} bytes")
                    yield parse(data), place
                except RowError as unfit:
                    yield unreadable(data, place, unfit.reason, unfit.detail, kind)
    except BadData as damage:
        place = RowPlace(f"{file.label}:{index}", f"{file.uri}, element {index}")
        yield unreadable(b"", place, "truncated_file" if damage.truncated else "unreadable_file", str(damage), kind)


def _elements(stream: Stream, max_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Each element's text, and whether it was cut at `max_bytes`. Raises `BadData` if the list does not end well."""
    cutter = _Cutter(max_bytes)
    while chunk := stream.read(CHUNK):
        yield from cutter.feed(chunk)
    if cutter.depth or not cutter.begun:
        raise BadData("the list has no end", truncated=True)
    if cutter.rest():
        raise BadData("text after the end of the list")


class _Cutter:
    """Finds where the elements of a list end: at commas that stand in no string and in no other bracket."""

    def __init__(self, max_bytes: int) -> None:
        self.depth, self.begun = 0, False
        self._max_bytes = max_bytes
        self._kept, self._buffer, self._position = b"", b"", 0  # `kept`: the beginning of an element that grew too long
        self._in_string = False

    def rest(self) -> bytes:
        return self._buffer.strip()

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        self._buffer += chunk if self.begun else chunk.removeprefix(BOM)
        start = 0  # of the element under way
        while sign := self._next_sign():
            if sign in (b"[", b"{"):
                self.depth += 1
            elif sign in (b"]", b"}"):
                self.depth -= 1
            if not self.begun:
                self.begun, start = True, self._position
            elif (sign == b"," and self.depth == 1) or (self.depth == 0 and sign == b"]"):
                yield from self._element(self._buffer[start : self._position - 1])
                start = self._position
        self._buffer, self._position = self._buffer[start:], self._position - start
        if len(self._buffer) > self._max_bytes:
            self._kept = self._kept or self._buffer[: self._max_bytes]
            self._buffer, self._position = self._buffer[self._position :], 0

    def _next_sign(self) -> bytes:
        """The next sign outside of strings; empty if the buffer ends first."""
        while True:
            pattern = _STRING_END if self._in_string else _SIGN
            match = (pattern.match if self._in_string else pattern.search)(self._buffer, self._position)
            if match is None:
                tail = len(self._buffer) - len(self._buffer.rstrip(b"\\")) if self._in_string else 0
                self._position = max(self._position, len(self._buffer) - tail % 2)
                return b""
            self._position = match.end()
            self._in_string = not self._in_string and match[0] == b'"'
            if match[0][:1] != b'"' and not match[0].endswith(b'"'):
                return match[0]

    def _element(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        kept, self._kept = self._kept, b""
        if data.strip() or kept:
            yield (kept or data[: self._max_bytes]), bool(kept) or len(data) > self._max_bytes
