"""Tables of problems: which files make one up, how they are cut into splits, and which reader takes each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Problem, Reject
from factory.sources import hub
from factory.sources.columnar import arrow_names, parquet_shape, read_arrow, read_parquet
from factory.sources.delimited import header, read_delimited
from factory.sources.files import BadData, File, find, open_plain
from factory.sources.jsonl import Row, read_jsonl
from factory.sources.rows import problem
from factory.sources.split import Split

Ranges = list[tuple[int, int | None]]

SPLIT_BYTES = 64 << 20
JSON_LINES = (".jsonl", ".ndjson", ".json")
_DELIMITED = (".csv", ".tsv")
_COLUMNAR = (".parquet", ".arrow")
FORMATS = (*JSON_LINES, *_DELIMITED, *_COLUMNAR)


def splits(source: Source) -> list[Split]:
    """The parts of a table: byte ranges of plain JSON lines, row groups of Parquet, otherwise whole files."""
    return _splits(source, [(file, _ranges(file, source)) for file in _files(source)])


def json_splits(source: Source, files: list[File]) -> list[Split]:
    """The parts of JSON lines files."""
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
    default = source.name or file.label.rsplit("/", 1)[-1]
    for item in _rows(file, split):
        yield item if isinstance(item, Reject) else problem(item[0], source, default, item[1])


def _files(source: Source) -> list[File]:
    if hub.is_name(source.path) and File(source.path, "", 0).format not in FORMATS:
        return hub.files(source)
    path = f"{source.path.rstrip('/')}/{source.split}" if source.split else source.path
    return find(path, _is_table, what=f"{', '.join(FORMATS)} file", name=source.name)


def _splits(source: Source, ranges: list[tuple[File, Ranges]]) -> list[Split]:
    bounds = [(file, start, stop) for file, of_file in ranges for start, stop in of_file]
    return [
        Split(source=source, index=index, files=(file,), start=start, stop=stop)
        for index, (file, start, stop) in enumerate(bounds)
    ]


def _rows(file: File, split: Split) -> Iterator[Row | Reject]:
    max_bytes = split.source.max_row_mb << 20
    if file.format in JSON_LINES:
        return read_jsonl(file, max_bytes=max_bytes, kind="problem", start=split.start, stop=split.stop)
    if file.format in _DELIMITED:
        return read_delimited(file, max_bytes=max_bytes, kind="problem")
    if file.format == ".arrow":
        return read_arrow(file, kind="problem")
    return read_parquet(file, columns=_wanted(split.source), kind="problem", start=split.start, stop=split.stop)


def _ranges(file: File, source: Source) -> Ranges:
    """Bounds of the splits of one file. What cannot be read now is left for its reader to reject."""
    if file.format not in FORMATS or (file.compression and file.format in _COLUMNAR):
        raise FactoryError(
            f"cannot read {file.uri} as a table",
            why=f"{(file.format + file.compression) or 'no extension'!r} is not a format that is known",
            remedy=f"known are {', '.join(FORMATS)}; the first five also as .gz, .bz2 or .zst",
        )
    max_bytes = source.max_row_mb << 20
    try:
        if file.format in JSON_LINES:
            return _json_ranges(file)
        if file.format in _DELIMITED:
            _check(file, source, header(file, max_bytes=max_bytes))
        elif file.format == ".arrow":
            _check(file, source, arrow_names(file))
        else:
            names, groups = parquet_shape(file)
            _check(file, source, names)
            return _group_ranges(groups)
    except BadData:
        pass
    return [(0, None)]


def _json_ranges(file: File) -> Ranges:
    """Byte ranges of near-equal size; a compressed file is one."""
    _refuse_array(file)
    count = 1 if file.compression else max(1, round(file.size / SPLIT_BYTES))
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
    file = File(name, name, 0)
    beside = name in ("state.json", "dataset_info.json", "dataset_dict.json") or name.startswith("cache-")
    return file.format in FORMATS and not beside


def _refuse_array(file: File) -> None:
    """A `.json` file that holds one big list would otherwise be as many rejects as it has lines."""
    if file.format == ".json":
        with open_plain(file) as stream:
            if stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                raise FactoryError(
                    f"{file.uri} is a JSON list, not JSON lines",
                    why="a list cannot be read in bounded memory or in parallel",
                    remedy="write one object a line, for example with: jq -c '.[]' FILE.json > FILE.jsonl",
                )


def _check(file: File, source: Source, names: list[str]) -> None:
    """Columns that the recipe names must be there; the defaults for optional ones need not."""
    columns = source.columns
    problems = [columns.problem] if isinstance(columns.problem, str) else columns.problem
    chosen = [getattr(columns, key) for key in columns.model_fields_set - {"problem"}]
    for column in [*problems, *filter(None, chosen)]:
        if names and column not in names and column.split(".")[0] not in names:
            near = difflib.get_close_matches(column, names, n=1)
            raise FactoryError(
                f"{file.uri} has no column {column!r}",
                why=f"its columns are: {', '.join(names)}",
                remedy=(f"did you mean {near[0]!r}? " if near else "") + "map them with `columns:` of this source",
            )


def _wanted(source: Source) -> list[str]:
    """The columns that a problem is made of: a wide table is not read whole."""
    values = [getattr(source.columns, key) for key in type(source.columns).model_fields]
    return [column for value in values if value for column in (value if isinstance(value, list) else [value])]
