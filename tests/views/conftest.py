"""A made-up run for all tests of views, and how an export is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from factory.views.export import ExportManifest, export
from factory.views.registry import named, options_of
from tests.views.world import make_run


@pytest.fixture(scope="session")
def made_run(tmp_path_factory) -> str:
    return make_run(tmp_path_factory.mktemp("views") / "run").uri


@pytest.fixture
def exported(made_run, tmp_path):
    """Exports a view of the made-up run with `key=value` options; its manifest and its rows by table."""

    def call(view: str, *given: str, uri: str = made_run, **named_arguments: Any):
        out = tmp_path / f"{view}-{len(list(tmp_path.iterdir()))}"
        done = export(named(view), uri, str(out), options_of(named(view), list(given)), **named_arguments)
        return done, rows_of(out, done)

    return call


def rows_of(out: Path, manifest: ExportManifest) -> dict[str, list[dict[str, Any]]]:
    """The rows of an export by table, each with its split as `_split`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in manifest.files:
        path = out / file.key
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        else:
            rows = pq.ParquetFile(path).read().to_pylist()
        assert len(rows) == file.rows
        found.setdefault(file.table, []).extend({**row, "_split": file.split} for row in rows)
    return found
