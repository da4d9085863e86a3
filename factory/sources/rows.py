"""One row of a table becomes a problem, or a reject that says why not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from factory.recipe import Source
from factory.records import Attribution, Problem, Reject

STAGE = "read"
KEPT_CHARS = 10_000  # of a row that cannot be parsed: enough to recognise it


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the id it gets if it has none, and a position that a person can go to."""

    id: str
    position: str


class Unfit(Exception):
    """A row that cannot become a problem: the reason's name and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def problem(row: Mapping[str, Any], source: Source, default_source: str, place: Place) -> Problem | Reject:
    """Map a parsed row to a problem by the column names of its source."""
    columns = source.columns
    try:
        return Problem(
            id=identity(at(row, columns.id)) or place.id,
            text=_text(row, columns.problem),
            answer=answer(at(row, columns.answer)),
            source=word(row, columns.source) or default_source,
            attribution=Attribution(
                license=word(row, columns.license) or source.license,
                url=word(row, columns.url),
                user_name=word(row, columns.user_name),
                user_url=word(row, columns.user_url),
            ),
            position=place.position,
        )
    except Unfit as unfit:
        return rejected(row, columns.id, place, unfit)


def rejected(row: Mapping[str, Any], id_column: str, place: Place, unfit: Unfit, kind: str = "problem") -> Reject:
    """The reject of a row that parsed but does not fit."""
    try:
        name = identity(at(row, id_column))
    except Unfit:
        name = ""
    return Reject(
        id=name or place.id,
        kind=kind,
        stage=STAGE,
        reason=unfit.reason,
        detail=unfit.detail,
        row=as_json(row),
        position=place.position,
    )


def unreadable(raw: bytes, place: Place, reason: str, detail: str, kind: str = "problem") -> Reject:
    """The reject of bytes that are not a row; the beginning of them is kept, as a JSON string."""
    return Reject(
        id=place.id,
        kind=kind,
        stage=STAGE,
        reason=reason,
        detail=detail,
        row=raw_as_json(raw),
        position=place.position,
    )


def answer(value: Any) -> str | None:
    """A reference answer as text: numbers are written out (`27.0` as `27`), blank and NaN mean none.

    A list, mapping or truth value is not an answer that could be compared, and raises `Unfit`.
    """
    if value is None or isinstance(value, str):
        return encodable((value or "").strip(), "bad_answer", "the answer") or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unfit("bad_answer", f"the answer is a {type(value).__name__}, not text or a number")
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise Unfit("bad_answer", "the answer is infinite")
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def as_json(value: Any) -> str:
    """Any row as JSON text; what JSON has no type for is written as text."""
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def raw_as_json(raw: bytes) -> str:
    """The beginning of what cannot be parsed, as a JSON string."""
    text = raw[: 4 * KEPT_CHARS].decode("utf-8", "backslashreplace")[:KEPT_CHARS]
    return json.dumps(text, ensure_ascii=False)


def printable(text: str) -> str:
    """`text` with lone surrogates spelled out, as UTF-8 cannot hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def identity(value: Any) -> str:
    """An id as text, empty where there is none. Raises `Unfit` for what cannot name a row."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit("bad_id", f"the id is a {type(value).__name__}, not text or a number")
    if isinstance(value, float):
        # a column of integers with gaps reads as floats
        if not value.is_integer():
            raise Unfit("bad_id", f"the id is {value}")
        value = int(value)
    return encodable(str(value).strip(), "bad_id", "the id")


def _text(row: Mapping[str, Any], columns: str | list[str]) -> str:
    names = [columns] if isinstance(columns, str) else columns
    parts = []
    for name in names:
        value = at(row, name)
        if value is not None and not isinstance(value, str):
            raise Unfit("missing_problem", f"column {name!r} holds a {type(value).__name__}, not text")
        if value is not None and value.strip():
            parts.append(encodable(value, "unreadable_row", f"column {name!r}"))
    if not parts:
        raise Unfit("missing_problem", f"no text in {' or '.join(map(repr, names))}")
    return "\n\n".join(parts)


def word(row: Mapping[str, Any], column: str | None) -> str | None:
    """A column of which only text counts."""
    value = at(row, column)
    return printable(value.strip()) or None if isinstance(value, str) else None


def at(row: Mapping[str, Any], column: str | None) -> Any:
    """The value of a column; `a.b` steps into a mapping where no column is called so."""
    if column is None:
        return None
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def encodable(text: str, reason: str, what: str) -> str:
    """`text`, if UTF-8 can hold it; JSON can spell a lone surrogate, which Arrow refuses."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit(reason, f"{what} holds a lone surrogate at character {error.start}") from None
    return text
