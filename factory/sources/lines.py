"""Lines of a byte stream in bounded memory, each with the place where it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, at offset `byte` of the (decompressed) file; `number` counts from 1 in the range read.

    An `oversized` line was skipped: `data` holds only its beginning.
    """

    data: bytes
    byte: int
    number: int
    oversized: bool = False


def read_lines(stream: IO[bytes], *, max_bytes: int, start: int = 0, stop: int | None = None) -> Iterator[Line]:
    """Lines that begin in `[start, stop)` of a file, where `stream` stands at `max(start - 1, 0)`.

    Memory stays below `max_bytes` plus a chunk. Ranges that
    partition a file yield each of its lines exactly once.
    """
    pieces, byte = _pieces(stream, max_bytes), start
    if start:
        # the piece from start - 1 ends the line before; it is empty if `start` begins a line
        _, size, _ = next(pieces, (b"", 0, False))
        byte += size - 1
    for number, (data, size, oversized) in enumerate(pieces, 1):
        if stop is not None and byte >= stop:
            return
        line = data.removeprefix(BOM) if byte == 0 else data
        yield Line(line.removesuffix(b"\r"), byte, number, oversized)
        byte += size


def _pieces(stream: IO[bytes], max_bytes: int) -> Iterator[tuple[bytes, int, bool]]:
    """Each line as its bytes, its size with the newline, and whether it was cut at `max_bytes`."""
    rest, skipped = b"", 0
    while chunk := stream.read(CHUNK):
        first, *others = (rest + chunk).split(b"\n")
        if not others and len(first) > max_bytes:
            # too long: keep the beginning, count the remainder
            rest, skipped = first[:max_bytes], skipped + len(first) - max_bytes
            continue
        for data in [first, *others[:-1]] if others else []:
            yield data[:max_bytes], len(data) + skipped + 1, bool(skipped) or len(data) > max_bytes
            skipped = 0
        rest = others[-1] if others else first
    if rest:
        yield rest[:max_bytes], len(rest) + skipped, bool(skipped) or len(rest) > max_bytes
