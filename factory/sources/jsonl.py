"""JSON lines: one object a line, plain or compressed, by byte ranges where plain."""

from __future__ import annotations

import json
from collections.abc import Iterator

from factory.records import Reject
from factory.sources.columns import Row
from factory.sources.files import BadData, File, open_plain
from factory.sources.lines import Line, read_lines
from factory.sources.row_error import RowError
from factory.sources.rows import RowPlace, unreadable

Item = tuple[Row, RowPlace]


def read_jsonl(
    file: File, *, max_bytes: int, kind: str, start: int = 0, stop: int | None = None
) -> Iterator[Item | Reject]:
    """The objects of a file that begin in a byte range, each with its place; every other line is a reject.

    Blank lines are not rows. A place's id is `<label>:<byte>`, which no cut into ranges changes.
    """
    end = start
    try:
        with open_plain(file, max(start - 1, 0)) as stream:
            for line in read_lines(stream, max_bytes=max_bytes, start=start, stop=stop):
                end = line.byte + len(line.data)
                if line.data.strip() or line.oversized:
                    yield _row(line, _place(file, line, start), max_bytes, kind)
    except BadData as damage:
        place = RowPlace(f"{file.label}:{end}", f"{file.uri}, after byte {end}")
        yield unreadable(b"", place, "truncated_file" if damage.truncated else "unreadable_file", str(damage), kind)


def parse(data: bytes) -> Row:
    """One row as an object or a list of objects; raises `RowError` for anything else."""
    try:
        row = json.loads(data.decode("utf-8"), parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise RowError("unreadable_row", f"not UTF-8 at byte {error.start} of the line") from None
    except (ValueError, RecursionError) as error:
        raise RowError("unreadable_row", f"not JSON: {error}") from None
    if isinstance(row, list) and row and all(isinstance(turn, dict) for turn in row):
        return row
    if not isinstance(row, dict):
        raise RowError("unreadable_row", f"a JSON {type(row).__name__}, not an object")
    return row


def _row(line: Line, place: RowPlace, max_bytes: int, kind: str) -> Item | Reject:
    if line.oversized:
        return unreadable(line.data, place, "oversized_row", f"longer than {max_bytes} bytes", kind)
    try:
        return parse(line.data), place
    except RowError as unfit:
        return unreadable(line.data, place, unfit.reason, unfit.detail, kind)


def _place(file: File, line: Line, start: int) -> RowPlace:
    # only a reader that began at the beginning of the file knows a line's number
    where = f"{file.uri}, byte {line.byte}" if start else f"{file.uri}:{line.number}"
    return RowPlace(f"{file.label}:{line.byte}", where)


def _constant(name: str) -> float | None:
    """What some writers put for a missing number is no JSON, but says what it means."""
    return None if name == "NaN" else float(name)
