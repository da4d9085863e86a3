"""Rows as Arrow: the annotations of a dataclass are its schema. Knows no row kind; `records` declares them.

A row travels as a dataclass inside a process and as an Arrow row between processes and in storage. `schema(kind)`
derives the Arrow schema from the annotations, `to_table` and `from_table` convert; nothing else in the project
spells a row kind's column types.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

if TYPE_CHECKING:  # at run time first where a schema is needed: checker processes know row kinds, but no Arrow
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Of all row kinds together, and in every schema's metadata: raised where older code could not read what is written."""

Int8 = Annotated[int, "int8"]
Int32 = Annotated[int, "int32"]

T = TypeVar("T")


def added(default: Any) -> Any:
    """A field that is younger than the first stored rows, which lack it and take its default.

    It is part of a row's `content` only where it differs from that default.
    """
    return dataclasses.field(default=default, metadata={"added": True})


@cache
def schema(kind: type) -> pa.Schema:
    """The Arrow schema of a row kind, with the schema version in its metadata."""
    import pyarrow as pa

    struct = _arrow_type(kind)
    return pa.schema(list(struct), metadata={"kind": kind.__name__, "schema_version": str(SCHEMA_VERSION)})


def to_table(kind: type, rows: list[Any]) -> pa.Table:
    """Rows of one kind as an Arrow table."""
    import pyarrow as pa

    return pa.Table.from_pylist([to_dict(row) for row in rows], schema=schema(kind))


def from_table(kind: type[T], table: pa.Table | pa.RecordBatch) -> list[T]:
    """The inverse of `to_table`. Columns that an older schema version lacks take the field's default."""
    return [from_dict(kind, row) for row in table.to_pylist()]


def to_dict(row: Any) -> dict[str, Any]:
    """A row as plain Python values, as Arrow and JSON take them (maps as lists of pairs)."""
    return typing.cast(dict[str, Any], _plain(row))


def content(row: Any) -> dict[str, Any]:
    """As `to_dict`, without younger fields that have their default: what a hash of the row's content is made of."""
    return typing.cast(dict[str, Any], _plain(row, _says_something))


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """The inverse of `to_dict`."""
    return typing.cast(T, _build(kind, values))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


_SCALARS = {str: "string", int: "int64", float: "float64", bool: "bool"}
"""Arrow's names of the types of columns."""


def _arrow_type(hint: Any) -> pa.DataType:
    import pyarrow as pa

    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return pa.type_for_alias(args[1])
    if origin in (Union, types.UnionType):
        return _arrow_type(next(a for a in args if a is not type(None)))
    if origin is list:
        return pa.list_(_arrow_type(args[0]))
    if origin is dict:
        return pa.map_(_arrow_type(args[0]), _arrow_type(args[1]))
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return pa.string()
    if dataclasses.is_dataclass(hint):
        hints = _hints(typing.cast(type, hint))
        return pa.struct([pa.field(name, _arrow_type(h), nullable=_nullable(h)) for name, h in hints.items()])
    return pa.type_for_alias(_SCALARS[hint])


def _nullable(hint: Any) -> bool:
    return typing.get_origin(hint) in (Union, types.UnionType)


def _says_something(field: dataclasses.Field[Any], value: Any) -> bool:
    return not field.metadata.get("added") or bool(value != field.default)


def _plain(value: Any, keeps: Callable[[dataclasses.Field[Any], Any], bool] | None = None) -> Any:
    if dataclasses.is_dataclass(value):
        pairs = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {field.name: _plain(v, keeps) for field, v in pairs if keeps is None or keeps(field, v)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, dict):
        return [(k, _plain(v, keeps)) for k, v in value.items()]
    if isinstance(value, list) and value and not isinstance(value[0], int | float | str):
        return [_plain(v, keeps) for v in value]
    return value


def _build(hint: Any, value: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if origin is Annotated:
        return value
    if origin in (Union, types.UnionType):
        return _build(next(a for a in args if a is not type(None)), value)
    if origin is list:
        inner = args[0]
        return [_build(inner, v) for v in value] if dataclasses.is_dataclass(inner) else list(value)
    if origin is dict:
        return dict(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if dataclasses.is_dataclass(hint):
        known = _hints(typing.cast(type, hint))
        return typing.cast(type, hint)(**{k: _build(known[k], v) for k, v in value.items() if k in known})
    return value
