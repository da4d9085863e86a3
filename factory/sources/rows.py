"""One row of a table becomes a problem, or a reject that says why not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from factory.recipe import Source
from factory.records import Attribution, Problem, Reject
from factory.sources.answers import answer
from factory.sources.columns import Row, at, kind_of
from factory.sources.row_error import RowError, encodable

STAGE = "read"
KEPT_CHARS = 10_000  # of a row that cannot be parsed: enough to recognise it


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row stands: the id it gets if it has none, and a position that a person can go to."""

    id: str
    position: str


def problem(row: Row, source: Source, default_source: str, place: RowPlace) -> Problem | Reject:
    """Map a parsed row to a problem by the column names of its source."""
    columns = source.columns
    try:
        if unmet := _unmet(row, source):
            reject = rejected(row, source, place, RowError("filtered_out", unmet))
            return replace(reject, row=as_json({column: at(row, column) for column in source.where}))
        return Problem(
            id=name_of(row, source, place),
            text=_text(row, columns.problem),
            answer=answer(at(row, columns.answer), within=source.answer_in, none=source.none_answers),
            source=word(row, columns.source) or default_source,
            attribution=Attribution(
                license=word(row, columns.license) or source.license,
                url=word(row, columns.url),
                user_name=word(row, columns.user_name),
                user_url=word(row, columns.user_url),
            ),
            position=place.position,
        )
    except RowError as unfit:
        return rejected(row, source, place, unfit)


def name_of(row: Row, source: Source, place: RowPlace) -> str:
    """The id of a row: its own, if it has one. Raises `RowError` for what cannot name a row."""
    own = identity(at(row, source.columns.id))
    return f"{source.name}/{own}" if own and source.ids == "named" else own or place.id


def rejected(row: Row, source: Source, place: RowPlace, unfit: RowError, kind: str = "problem") -> Reject:
    """The reject of a row that parsed but does not fit."""
    try:
        name = name_of(row, source, place)
    except RowError:
        name = place.id
    return Reject(
        id=name,
        kind=kind,
        stage=STAGE,
        reason=unfit.reason,
        detail=unfit.detail,
        row=as_json(row),
        position=place.position,
    )


def unreadable(raw: bytes, place: RowPlace, reason: str, detail: str, kind: str = "problem") -> Reject:
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
    """An id as text, empty if there is none. Raises `RowError` for what cannot name a row."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError("bad_id", f"the id is a {type(value).__name__}, not text or a number")
    if isinstance(value, float):
        # a column of integers with gaps reads as floats
        if not value.is_integer():
            raise RowError("bad_id", f"the id is {value}")
        value = int(value)
    return encodable(str(value).strip(), "bad_id", "the id")


def _unmet(row: Row, source: Source) -> str:
    """The condition of `where` that a row does not meet; empty if it meets all."""
    for column, wanted in source.where.items():
        value, allowed = at(row, column), wanted if isinstance(wanted, tuple) else (wanted,)
        if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed):
            return f"{column} is {as_json(value)[:200]}"
    return ""


def _text(row: Row, columns: str | list[str]) -> str:
    names = [columns] if isinstance(columns, str) else columns
    parts = []
    for name in names:
        value = at(row, name)
        if value is not None and not isinstance(value, str):
            raise RowError("missing_problem", f"column {name!r} holds {kind_of(value)}, not text")
        if value is not None and value.strip():
            parts.append(encodable(value, "unreadable_row", f"column {name!r}"))
    if not parts:
        raise RowError("missing_problem", f"no text in {' or '.join(map(repr, names))}")
    return "\n\n".join(parts)


def word(row: Row, column: str | None) -> str | None:
    """A column of which only text counts."""
    value = at(row, column)
    return printable(value.strip()) or None if isinstance(value, str) else None
