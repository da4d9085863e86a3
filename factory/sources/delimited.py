"""CSV and TSV with a header line, read row by row, so that one bad row costs one row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO

from factory.records import Reject
from factory.sources.files import BadData, File, open_plain
from factory.sources.jsonl import Item
from factory.sources.lines import read_lines
from factory.sources.row_error import RowError
from factory.sources.rows import RowPlace, unreadable


def header(file: File, *, max_bytes: int, delimiter: str | None = None) -> list[str]:
    """The column names; empty if the file is. Raises `BadData` if they cannot be read."""
    with open_plain(file) as stream:
        try:
            return next(filter(None, _reader(file, _Lines(stream, max_bytes), delimiter)), [])
        except (RowError, csv.Error) as error:
            raise BadData(f"no header line: {error}") from None


def read_delimited(file: File, *, max_bytes: int, kind: str, delimiter: str | None = None) -> Iterator[Item | Reject]:
    """The rows as mappings of column name to text; every row that cannot be read is a reject.

    Blank lines are not rows. A place's id is `<label>:<line>`, where a row that spans lines counts by its first.
    """
    lines, names = None, None
    try:
        with open_plain(file) as stream:
            lines = _Lines(stream, max_bytes)
            reader = _reader(file, lines, delimiter)
            while True:
                lines.begin_row()
                place = RowPlace(f"{file.label}:{lines.first}", f"{file.uri}:{lines.first}")
                try:
                    fields = next(reader)
                    if names is None:
                        names = fields or None  # a blank line before the header is no header
                    elif fields:
                        yield _row(names, fields), place
                except StopIteration:
                    return
                except RowError as unfit:
                    yield unreadable(lines.text, place, unfit.reason, unfit.detail, kind)
                except csv.Error as error:
                    yield unreadable(lines.text, place, "unreadable_row", f"not CSV: {error}", kind)
    except BadData as damage:
        line = lines.number if lines else 0
        place = RowPlace(f"{file.label}:{line + 1}", f"{file.uri}, after line {line}")
        yield unreadable(b"", place, "truncated_file" if damage.truncated else "unreadable_file", str(damage), kind)


def _row(names: list[str], fields: list[str]) -> dict[str, str]:
    if len(fields) != len(names):
        raise RowError("unreadable_row", f"{len(fields)} fields, but the header names {len(names)} columns")
    if any("\udc80" <= character <= "\udcff" for field in fields if not field.isascii() for character in field):
        raise RowError("unreadable_row", "not UTF-8")
    return dict(zip(names, fields, strict=True))


def _reader(file: File, lines: _Lines, delimiter: str | None) -> Iterator[list[str]]:
    # the module's own limit of 128 KiB a field is far below a row's
    csv.field_size_limit(max(csv.field_size_limit(), lines.max_bytes))
    return csv.reader(lines, delimiter=delimiter or ("\t" if file.format == ".tsv" else ","), strict=True)


class _Lines:
    """Lines as the csv module takes them; raises `RowError` once where the row under way grows too long.

    A class, not a generator: it continues after it has raised, and the csv module then begins a new row.
    """

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.number = 0
        self._lines = read_lines(stream, max_bytes=max_bytes)
        self.begin_row()

    def begin_row(self) -> None:
        self.first = self.number + 1
        self.text = b""
        self._size = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        self.text = self.text or line.data
        self._size += len(line.data)
        if line.oversized or self._size > self.max_bytes:
            raise RowError("oversized_row", f"longer than {self.max_bytes} bytes")
        return line.data.decode("utf-8", "surrogateescape") + "\n"
