"""Store a blend: `blend.json` says what it takes, one Parquet file a phase names the rows; on request the rows too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.parts import WRITER_SETTINGS
from factory.views.blend import Blend, FileTaken, Taken, files_of, plan

BLEND_FILE = "blend.json"
SELECTION = pa.schema(
    [pa.field(name, pa.string()) for name in ("source", "path", "file")]
    + [pa.field("row", pa.int64()), pa.field("repeats", pa.int32())]
)


def write(blend: Blend, out: str, *, rows: bool = False) -> list[Taken]:
    """Plan a blend and store it at `out`; with `rows` also `data/PHASE/`, each row as often as it is taken.

    Killed, the same call goes on: a file that is there is not written again. Raises `FactoryError` where `out` holds
    another blend, or where sources have no column in common.
    """
    taken, store = plan(blend), Store.open(out)
    described = _describe(blend, taken)
    if not store.create(BLEND_FILE, described) and store.read(BLEND_FILE) != described:
        raise FactoryError(f"{out} holds another blend", why="its manifest or its sources differ",
                           remedy="give --out another place")  # fmt: skip
    for phase in blend.phases:
        mine = [one for one in taken if one.phase == phase.name]
        _write_table(store, f"selection/{phase.name}.parquet", [_selection(mine)], SELECTION)
        if rows:
            _write_rows(store, phase.name, mine)
    return taken


def _describe(blend: Blend, taken: Sequence[Taken]) -> bytes:
    """What the blend was made from and came to, as the same bytes for the same inputs."""
    sources = {source.path: source for phase in blend.phases for source in phase.sources}
    digests = {
        path: hashlib.sha256(json.dumps(files_of(source)[1]).encode()).hexdigest()[:16]
        for path, source in sources.items()
    }
    lines = [
        {
            "phase": one.phase,
            "source": one.source,
            "weight": one.weight,
            "tokens": one.tokens,
            "available_tokens": one.available,
            "epochs": one.epochs,
            "max_repeats": one.max_repeats,
            "problems": one.problems,
            "rows": one.rows,
            "rows_per_problem": one.traces_per_problem,
        }
        for one in taken
    ]
    values = {"blend": blend.model_dump(mode="json"), "files": digests, "takes": lines}
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _selection(taken: Sequence[Taken]) -> pa.Table:
    parts = [
        pa.table(
            [
                *(pa.array([word] * len(file.positions)) for word in (one.source, file.path, file.key)),
                file.positions,
                file.repeats,
            ],
            schema=SELECTION,
        )
        for one in taken
        for file in one.files
    ]
    return pa.concat_tables(parts) if parts else SELECTION.empty_table()


def _write_rows(store: Store, phase: str, taken: Sequence[Taken]) -> None:
    """The rows of a phase, a file for each file that they come from, in the columns that all sources have."""
    schema = _common_schema(taken)
    for one in taken:
        for number, file in enumerate(one.files):
            key = f"data/{phase}/{one.source}-{number:05d}.parquet"
            _write_table(store, key, _repeated(file, one.source, schema), schema)


def _repeated(file: FileTaken, source: str, schema: pa.Schema) -> Any:
    """The taken rows of a file, one row group after the other."""
    place, start = Store.open(file.path), 0
    with place.parquet(file.key, place.size(file.key)) as read:
        for group in range(read.num_row_groups):
            n = read.metadata.row_group(group).num_rows
            first, last = np.searchsorted(file.positions, [start, start + n])
            if first < last:
                rows = np.repeat(file.positions[first:last] - start, file.repeats[first:last])
                part = read.read_row_group(group, columns=schema.names[:-1]).take(pa.array(rows))
                yield (
                    part.append_column("blend_source", pa.array([source] * len(rows))).select(schema.names).cast(schema)
                )
            start += n


def _common_schema(taken: Sequence[Taken]) -> pa.Schema:
    """Columns that the files of all sources have, with one type, and `blend_source`."""
    common: list[pa.Field] | None = None
    for file in (one.files[0] for one in taken if one.files):
        place = Store.open(file.path)
        with place.parquet(file.key, place.size(file.key)) as read:
            there = {f.name: f.type for f in read.schema_arrow}
            names = list(read.schema_arrow) if common is None else common
            common = [pa.field(f.name, f.type) for f in names if there.get(f.name) == f.type]
    if not common:
        raise FactoryError("the sources of the blend have no column in common", remedy="blend datasets of one form")
    return pa.schema([*common, pa.field("blend_source", pa.string())])


def _write_table(store: Store, key: str, tables: Any, schema: pa.Schema) -> None:
    if store.exists(key):
        return
    with store.sink(key) as out, pq.ParquetWriter(pa.PythonFile(out, mode="w"), schema, **WRITER_SETTINGS) as writer:
        for table in tables:
            writer.write_table(table)
