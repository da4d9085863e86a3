"""`<row .../>` elements of a Stack Exchange dump file, cut out of the byte stream one by one.

No XML parser reads the file as a whole: its first error would be its end. XML keeps `<` out of attribute values, so a
row reaches from one `<row` to the next, and whatever stands there is parsed on its own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from factory.sources.content import disguise
from factory.sources.files import BadData
from factory.sources.lines import BOM, CHUNK
from factory.sources.row_error import RowError

TAIL = 64
_ROW = re.compile(rb"<row[\s/>]")
# comments, processing instructions and a document type are no rows, wherever they stand
_ASIDE = rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE\b[^<>\[]*(?:\[[^\]]*\]\s*)?>"
_ASIDES = re.compile(rb"\s*(?:(?:%s)\s*)*" % _ASIDE, re.S | re.I)
_HEAD = re.compile(rb"\s*(?:<\?xml\b([^>]*)\?>)?\s*(?:(?:%s)\s*)*<([A-Za-z]\w*)[^>]*>" % _ASIDE, re.S | re.I)
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z][\w.-]*)["']""")
_ELEMENT = re.compile(rb"""<row(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(?:/>|>\s*</row\s*>)""")


class Stream(Protocol):
    """All that is asked of a file: pieces of it, empty at its end. Damage raises `BadData`."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands between one `<row` and the next; `byte` is its offset in the (unpacked) file.

    `fault` is the reason why it cannot be a row, and `detail` says more: `oversized_row` (only the beginning is kept),
    `malformed_row` (text outside of any row), `truncated_file` and `unreadable_file` (the file ends in it, or, where
    `data` is empty, after the row before). `declaration` goes before the data to parse it.
    """

    data: bytes
    byte: int
    fault: str = ""
    detail: str = ""
    declaration: bytes = b""


def pieces(stream: Stream, *, max_bytes: int) -> Iterator[Piece]:
    """The pieces of a dump file in order. Memory stays below `max_bytes` plus a few chunks."""
    cut = _cut(stream, max_bytes)
    held, damage = Piece(b"", 0), None
    declaration, closing = b"", b""
    for number, item in enumerate(cut):
        if isinstance(item, BadData):
            damage = item
        elif number == 0:
            declaration, closing, held = _head(item)
        else:
            if held.data:
                yield held
            held = Piece(item.data.rstrip(), item.byte, item.fault, item.detail, declaration)
    yield from _last(held, closing, damage)


def parse(piece: Piece) -> tuple[dict[str, str], bytes]:
    """The attributes of a row, and what comes after it and belongs to no row. Raises `RowError`."""
    if piece.fault:
        raise RowError(piece.fault, piece.detail)
    try:
        return _attributes(piece.declaration + piece.data), b""
    except (ET.ParseError, LookupError, ValueError):
        element = _ELEMENT.match(piece.data)
    data = element[0] if element else piece.data
    behind = piece.data[len(data) :]
    try:
        return _attributes(piece.declaration + _allowed(data)), behind[_ASIDES.match(behind).end() :]  # type: ignore[union-attr]
    except (ET.ParseError, LookupError, ValueError) as error:
        raise RowError("malformed_row", f"not well-formed XML: {error}") from None


def _allowed(data: bytes) -> bytes:
    """A row without references to characters that XML forbids, such as `&#x0E;`."""
    return _REFERENCE.sub(_referred, data)


def _referred(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16) if match[1] else int(match[2])
    allowed = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return match[0] if allowed else b""


def _attributes(data: bytes) -> dict[str, str]:
    return dict(ET.fromstring(data).attrib)


def _head(piece: Piece) -> tuple[bytes, bytes, Piece]:
    """Of what stands before the first row: the declaration that rows need, the tag that closes the file, the rest."""
    if instead := disguise(piece.data):
        return b"", b"", Piece(piece.data, 0, "unreadable_file", "; ".join(instead))
    data = piece.data.removeprefix(BOM)
    match = _HEAD.match(data)
    if match is None:
        return b"", b"", Piece(data.strip(), 0, piece.fault or "malformed_row", piece.detail or "no element of a dump")
    rest, closing = data[match.end() :].strip(), b"</" + match[2] + b">"
    if match[0].endswith(b"/>") or rest == closing:
        rest = closing  # a dump without rows
    encoding = _ENCODING.search(match[1] or b"")
    foreign = encoding is not None and encoding[1].lower() not in (b"utf-8", b"utf8")
    declaration = b"<?xml version='1.0' encoding='%s'?>" % encoding[1] if encoding and foreign else b""
    fault = "malformed_row" if rest not in (b"", closing) else ""
    return declaration, closing, Piece(rest, match.end(), fault, "text outside of any row" * bool(fault))


def _last(piece: Piece, closing: bytes, damage: BadData | None) -> Iterator[Piece]:
    """The end of a file: its last row, the closing tag or the lack of it, and what may follow."""
    body, tag, after = piece.data.rpartition(closing) if closing else (b"", b"", piece.data)
    if tag and not damage:
        if body.strip():
            yield Piece(body.rstrip(), piece.byte, piece.fault, piece.detail, piece.declaration)
        after = after[_ASIDES.match(after).end() :]  # type: ignore[union-attr]
        if after.strip():
            offset = piece.byte + len(body) + len(tag)
            yield Piece(after.strip(), offset, "malformed_row", "text after the end of the dump")
        return
    if piece.data and not closing and not damage:
        yield piece
        return
    # the file ends too early: whether inside this row or behind it, one reject says so
    element = _ELEMENT.match(piece.data)
    whole = piece.data if piece.fault else element[0] if element else b""
    if whole:
        yield Piece(whole, piece.byte, piece.fault, piece.detail, piece.declaration)
    reason = "unreadable_file" if damage and not damage.truncated else "truncated_file"
    detail = str(damage) if damage else f"the file ends without {closing.decode() or 'having begun'}"
    yield Piece(piece.data[len(whole) :].strip(), piece.byte + len(whole), reason, detail)


def _cut(stream: Stream, max_bytes: int) -> Iterator[Piece | BadData]:
    """What stands before the first `<row` (perhaps nothing), then each piece; last the damage that ended it, if any."""
    buffer, base, start, kept, damage = b"", 0, 0, b"", None  # `kept`: the beginning of a piece that grew too long
    first = True
    while True:
        try:
            chunk = stream.read(CHUNK)
        except BadData as error:
            chunk, damage = b"", error
        if not chunk:
            break
        buffer += chunk
        begin = 0
        for match in _ROW.finditer(buffer, 0 if first or kept else 1):
            yield _piece(kept or buffer[begin : match.start()], start, max_bytes, bool(kept))
            begin, start, kept, first = match.start(), base + match.start(), b"", False
        buffer, base = buffer[begin:], base + begin
        if len(buffer) > max_bytes or kept:
            kept = kept or buffer[:max_bytes]
            # a `<row` may be cut in two, and the end of the file is wanted
            buffer, base = buffer[-TAIL:], base + max(0, len(buffer) - TAIL)
    yield _piece(kept + buffer, start, max_bytes, bool(kept))
    if damage:
        yield damage


def _piece(data: bytes, byte: int, max_bytes: int, oversized: bool) -> Piece:
    if oversized or len(data) > max_bytes:
        return Piece(data[: max_bytes + TAIL], byte, "oversized_row", f"longer than {max_bytes} bytes")
    return Piece(data, byte)
