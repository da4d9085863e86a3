"""Columns by their path, and what an input says of a path that leads nowhere."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from factory.errors import FactoryError
from factory.recipe import Source

Row = Mapping[str, Any] | list[Any]
"""A parsed row: an object, or the list of turns that some data sets have for one."""

# What stands at a place: the fields of a mapping, the element of a list, a value, nothing yet, or now this, now that.
Shape = dict[str, Any] | list[Any] | str
VALUE, UNKNOWN, MIXED = "value", "unknown", "mixed"
_INDEX = re.compile(r"-?[0-9]{1,6}")
_DEPTH = 8
# what other sets call the two columns, for a hint
_ALSO = {
    "problem": ("question", "prompt", "conversations", "messages", "input"),
    "answer": ("expected_answer", "final_answer", "reward_model", "solution"),
}


def at(row: Row, column: str | None) -> Any:
    """The value of a column; where no column is called so, `a.b` steps into a mapping and `a.0` into a list."""
    if column is None:
        return None
    if isinstance(row, Mapping) and column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and _INDEX.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    return {list: "a list", dict: "an object", bool: "a truth value"}.get(type(value), f"a {type(value).__name__}")


def shape_of_rows(rows: Iterable[Row]) -> Shape:
    """What columns rows have, all together."""
    shape: Shape = UNKNOWN
    for row in rows:
        shape = _merged(shape, _shape(row, _DEPTH))
    return shape


def shape_of_schema(schema: pa.Schema) -> Shape:
    """What columns an Arrow table has."""
    return {field.name: _shape_of_type(field.type) for field in schema}


def check(where: str, source: Source, shape: Shape) -> None:
    """Raise `FactoryError` where a column that the recipe names is not there; `where` names the file.

    The defaults for optional columns need not be there.
    """
    if shape == UNKNOWN:
        return
    columns = source.columns
    texts = [columns.problem] if isinstance(columns.problem, str) else columns.problem
    chosen = [getattr(columns, key) for key in sorted(columns.model_fields_set - {"problem"})]
    for column in [*texts, *filter(None, chosen), *source.where]:
        found = _follow(where, shape, column)
        if column in texts and not isinstance(found, str):
            _refuse_nested(where, column, found)


def refuse_twice(where: str, names: list[str]) -> None:
    """Raise `FactoryError` for a table in which two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FactoryError(
            f"{where} has more than one column {twice[0]!r}",
            why="which of them a recipe means cannot be told",
            remedy="write the file again with another name for one of them",
        )


def wanted(source: Source) -> list[str]:
    """The paths that a problem is made of: a wide table is not read whole."""
    values = [getattr(source.columns, key) for key in type(source.columns).model_fields]
    named = [column for value in values if value for column in (value if isinstance(value, list) else [value])]
    return [*named, *source.where]


def _follow(where: str, shape: Shape, column: str) -> Shape:
    if isinstance(shape, dict) and column in shape:
        return shape[column]  # type: ignore[no-any-return]
    passed: list[str] = []
    for part in column.split("."):
        if shape in (UNKNOWN, MIXED):
            return shape
        if isinstance(shape, dict) and part in shape:
            shape = shape[part]
        elif isinstance(shape, list) and _INDEX.fullmatch(part):
            shape = shape[0]
        else:
            raise _missing(where, column, ".".join(passed), part, shape)
        passed.append(part)
    return shape


def _missing(where: str, column: str, passed: str, part: str, shape: Shape) -> FactoryError:
    what = f"{where} has no column {column!r}"
    if passed:
        what += f": there is no {part!r} in {passed!r}"
    if isinstance(shape, dict):
        near = difflib.get_close_matches(part, shape, n=1) or [name for name in _ALSO.get(part, ()) if name in shape]
        hint = f"did you mean {'.'.join(filter(None, [passed, near[0]]))!r}? " if near else ""
        why = f"its {'fields' if passed else 'columns'} are: {', '.join(shape)}"
    elif isinstance(shape, list):
        inside = list(_texts(shape[0], f"{passed}.0" if passed else "0"))
        example = next((path for path in inside if path.endswith(f".{part}")), inside[0] if inside else "0")
        why = "it holds a list"
        hint = f"name the element by its number, such as {example!r}; "
    else:
        why, hint = "it holds a value that has no fields", ""
    return FactoryError(what, why=why, remedy=f"{hint}map columns with `columns:` (and `where:`) of this source")


def _refuse_nested(where: str, column: str, shape: Shape) -> None:
    is_list = isinstance(shape, list)
    inside = list(_texts(shape[0], f"{column}.0") if isinstance(shape, list) else _texts(shape, column))
    raise FactoryError(
        f"column {column!r} of {where} holds {'a list' if is_list else 'an object'}, not the text of a problem",
        why=f"the values inside are: {', '.join(inside) or 'none'}",
        remedy="name the one that is the text with `columns.problem`"
        + ("; 0 is the first element, -1 the last" if is_list else ""),
    )


def _texts(shape: Shape, path: str) -> Iterator[str]:
    """Paths of the values below a place."""
    if isinstance(shape, dict):
        for name, below in shape.items():
            yield from _texts(below, f"{path}.{name}")
    elif isinstance(shape, list):
        yield from _texts(shape[0], f"{path}.0")
    else:
        yield path


def _shape(value: Any, depth: int) -> Shape:
    if value is None or not depth:
        return UNKNOWN
    if isinstance(value, Mapping):
        return {str(key): _shape(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list):
        element: Shape = UNKNOWN
        for inner in value[:50]:
            element = _merged(element, _shape(inner, depth - 1))
        return [element]
    return VALUE


def _merged(one: Shape, other: Shape) -> Shape:
    """What holds of either; two of a kind that differs let everything pass."""
    if UNKNOWN in (one, other):
        return other if one == UNKNOWN else one
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _merged(one.get(key, UNKNOWN), other.get(key, UNKNOWN)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return one if one == other else MIXED


def _shape_of_type(kind: pa.DataType) -> Shape:
    if pa.types.is_struct(kind):
        return {field.name: _shape_of_type(field.type) for field in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_shape_of_type(kind.value_type)]
    if pa.types.is_dictionary(kind):
        return _shape_of_type(kind.value_type)
    return UNKNOWN if pa.types.is_map(kind) or pa.types.is_null(kind) else VALUE
