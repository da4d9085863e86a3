"""Tables of problems: which files make one up, how they are cut into splits, and which reader takes each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Problem, Reject
from factory.sources import columns, hub
from factory.sources.columnar import arrow_schema, parquet_shape, read_arrow, read_parquet
from factory.sources.content import beginning, head, is_list
from factory.sources.delimited import header, read_delimited
from factory.sources.files import BadData, File, exists, find
from factory.sources.json_list import read_json_list
from factory.sources.jsonl import Item, read_jsonl
from factory.sources.rows import RowPlace, problem, unreadable
from factory.sources.split import Split

Ranges = list[tuple[int, int | None]]

SPLIT_BYTES = 64 << 20
SAMPLE_ROWS = 1000  # of JSON, which has no schema: a column that none of them has is taken for a mistake
JSON_LINES = (".jsonl", ".ndjson", ".json")
_DELIMITED = (".csv", ".tsv")
_COLUMNAR = (".parquet", ".arrow")
_BESIDE = ("state.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json")
FORMATS = (*JSON_LINES, *_DELIMITED, *_COLUMNAR)


def splits(source: Source) -> list[Split]:
    """The parts of a table: byte ranges of plain JSON lines, row groups of Parquet, otherwise whole files."""
    files = _files(source)
    cut = _splits(source, [(file, _ranges(file, source)) for file in files])
    if files[0].format in JSON_LINES:
        _check_sample(source, files[0])
    return cut


def json_splits(source: Source, files: list[File]) -> list[Split]:
    """The parts of JSON files."""
    for file in files:
        if file.format not in JSON_LINES:
            raise FactoryError(
                f"cannot read {file.uri} as JSON lines",
                why=f"{file.format or 'no extension'!r} is not one of {', '.join(JSON_LINES)}",
                remedy="convert the file, or choose another `kind` for this source",
            )
    return _splits(source, [(file, _json_ranges(file)) for file in files])


def read(split: Split) -> Iterator[Problem | Reject]:
    """Every row of a split, as a problem or as a reject."""
    (file,), source = split.files, split.source
    default = source.name or PurePosixPath(file.label).name
    for item in _rows(file, split):
        yield item if isinstance(item, Reject) else problem(item[0], source, default, item[1])


def read_json(split: Split, kind: str) -> Iterator[Item | Reject]:
    """The rows of a part of a JSON file, whether it is one list or has a line for each row."""
    (file,), max_bytes = split.files, split.source.max_row_mb << 20
    if not split.start and split.stop is None and is_list(file, beginning(file)):
        return read_json_list(file, max_bytes=max_bytes, kind=kind)
    return read_jsonl(file, max_bytes=max_bytes, kind=kind, start=split.start, stop=split.stop)


def raw_rows(split: Split, columns: list[str], kind: str) -> Iterator[Item | Reject]:
    """The rows of a split as they are; of Parquet the named columns, where the file has them."""
    (file,) = split.files
    if file.format in JSON_LINES:
        return read_json(split, kind)
    if file.format != ".parquet":
        place = RowPlace(file.label, file.uri)
        return iter([unreadable(b"", place, "unreadable_file", "neither Parquet nor JSON lines", kind)])
    return read_parquet(file, columns=columns, kind=kind, start=split.start, stop=split.stop)


def _files(source: Source) -> list[File]:
    if hub.is_name(source.path) and File(source.path, "", 0).format not in FORMATS:
        return hub.files(source)
    what = f"{', '.join(FORMATS)} file"
    if not source.split:
        return find(source.path, _is_table, what=what, name=source.name)
    folder = f"{source.path.rstrip('/')}/{source.split}"
    if exists(folder):
        return find(folder, _is_table, what=what, name=source.name)
    files = [f for f in find(source.path, _is_table, what=what, name=source.name) if _is_of_split(f, source.split)]
    if not files:
        raise FactoryError(
            f"nothing to read at {source.path} for split {source.split!r}",
            why=f"there is no folder {source.split!r} in it, and no file whose name begins with it",
            remedy="check `split` of this source in the recipe",
        )
    return files


def _is_of_split(file: File, split: str) -> bool:
    """As the hub lays splits out: `train-00000-of-00002.parquet`, `train.jsonl`, or a folder of that name."""
    name = re.compile(rf"{re.escape(split)}(?![A-Za-z])")
    return split in file.path.parts[:-1] or bool(name.match(file.path.name))


def _splits(source: Source, ranges: list[tuple[File, Ranges]]) -> list[Split]:
    bounds = [(file, start, stop) for file, of_file in ranges for start, stop in of_file]
    return [
        Split(source=source, index=index, files=(file,), start=start, stop=stop)
        for index, (file, start, stop) in enumerate(bounds)
    ]


def _rows(file: File, split: Split) -> Iterator[Item | Reject]:
    source, max_bytes = split.source, split.source.max_row_mb << 20
    if file.format in JSON_LINES:
        return read_json(split, "problem")
    if file.format in _DELIMITED:
        return read_delimited(file, max_bytes=max_bytes, kind="problem", delimiter=source.delimiter)
    wanted = columns.wanted(source)
    if file.format == ".arrow":
        return read_arrow(file, columns=wanted, kind="problem")
    return read_parquet(file, columns=wanted, kind="problem", start=split.start, stop=split.stop)


def _ranges(file: File, source: Source) -> Ranges:
    """Bounds of the splits of one file. What cannot be read now is left for its reader to reject."""
    if file.format not in FORMATS or (file.compression and file.format in _COLUMNAR):
        raise FactoryError(
            f"cannot read {file.uri} as a table",
            why=f"{(file.format + file.compression) or 'no extension'!r} is not a format that is known",
            remedy=f"known are {', '.join(FORMATS)}; the first five also as .gz, .bz2 or .zst",
        )
    if file.format in JSON_LINES:
        return _json_ranges(file)
    head(file)
    try:
        if file.format in _DELIMITED:
            names = header(file, max_bytes=source.max_row_mb << 20, delimiter=source.delimiter)
            columns.refuse_twice(file.uri, names)
            _refuse_delimiter(file, names)
            columns.check(file.uri, source, dict.fromkeys(names, columns.VALUE) if names else columns.UNKNOWN)
            return [(0, None)]
        schema, groups = (arrow_schema(file), None) if file.format == ".arrow" else parquet_shape(file)
    except BadData:
        return [(0, None)]
    columns.refuse_twice(file.uri, schema.names)
    columns.check(file.uri, source, columns.shape_of_schema(schema))
    return [(0, None)] if groups is None else _group_ranges(groups)


def _json_ranges(file: File) -> Ranges:
    """Byte ranges of near-equal size; a compressed file is one, and so is a list."""
    whole = is_list(file, head(file)) or file.compression
    count = 1 if whole else max(1, round(file.size / SPLIT_BYTES))
    edges = [file.size * part // count for part in range(count)]
    return list(zip(edges, [*edges[1:], None], strict=True))


def _group_ranges(sizes: list[int]) -> Ranges:
    """Runs of row groups of about `SPLIT_BYTES` each."""
    edges, size = [0], 0
    for group, group_size in enumerate(sizes):
        if size >= SPLIT_BYTES:
            edges.append(group)
            size = 0
        size += group_size
    return list(zip(edges, [*edges[1:], None], strict=True))


def _is_table(name: str) -> bool:
    """Whether a file of a directory is data: not what the `datasets` library writes beside it."""
    return File(name, name, 0).format in FORMATS and name not in _BESIDE and not name.startswith("cache-")


def sample(source: Source, file: File, kind: str) -> list[columns.Row]:
    """The first rows of a JSON file that can be read."""
    split = Split(source=source, index=0, files=(file,))
    return [item[0] for item in islice(read_json(split, kind), SAMPLE_ROWS) if not isinstance(item, Reject)]


def _check_sample(source: Source, file: File) -> None:
    rows = sample(source, file, "problem")
    try:
        columns.check(file.uri, source, columns.shape_of_rows(rows))
    except FactoryError:
        key = _rows_within(source, rows[0]) if len(rows) == 1 else None
        if key is None:
            raise
        raise FactoryError(
            f"cannot read {file.uri}",
            why=f"it is one JSON document with its rows under {key!r}, not JSON lines",
            remedy=f"write one row a line, for example with: jq -c '.[\"{key}\"][]' FILE > FILE.jsonl",
        ) from None


def _rows_within(source: Source, document: columns.Row) -> str | None:
    """The key under which a document holds a list of rows that the recipe's columns fit."""
    for key, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value[:SAMPLE_ROWS]):
            try:
                columns.check(key, source, columns.shape_of_rows(value[:SAMPLE_ROWS]))
            except FactoryError:
                continue
            return str(key)
    return None


def _refuse_delimiter(file: File, names: list[str]) -> None:
    """A header of one column that holds another delimiter was cut at the wrong sign."""
    other = next((sign for sign in (";", "\t", "|", ",") if sign in names[0]), None) if len(names) == 1 else None
    if other:
        raise FactoryError(
            f"{file.uri} has the one column {names[0]!r}",
            why=f"its delimiter seems to be {other!r}",
            remedy=f"write `delimiter: {other!r}` into this source",
        )
