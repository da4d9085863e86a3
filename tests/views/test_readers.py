"""A stored run of the demo becomes every view, twice with equal bytes, and the libraries that are to read them do."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import polars as pl
import pytest

from factory.views.export import export
from factory.views.registry import VIEWS, options_of
from tests.conftest import ROOT
from tests.views.test_export import tree

STORED = ROOT / "tests" / "stored_runs" / "2026-11"
GIVEN = {"packed": ["edges=[128,1024]"], "rl_prompts": ["form=verl"]}


@pytest.fixture(scope="module")
def views(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("views")
    for name, view in VIEWS.items():
        given = GIVEN.get(name, []) + (["negatives=rules"] if "negatives" in view.options.model_fields else [])
        for copy in ("one", "two"):
            export(view, str(STORED), str(place / copy / name), options_of(view, given))
    return place


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_of_the_stored_run_has_rows_and_equal_bytes(views, name):
    one, two = (tree(views / copy / name) for copy in ("one", "two"))
    assert one == two
    assert any(file.startswith("data/") for file in one)


@pytest.mark.parametrize("name", VIEWS)
def test_duckdb_polars_and_datasets_read_every_view(views, name, tmp_path):
    place = views / "one" / name
    for table in sorted((place / "data").iterdir()):
        files = sorted(str(path) for path in table.iterdir())
        n = duckdb.sql(f"SELECT count(*) FROM read_parquet({files})").fetchall()[0][0]
        assert n == pl.scan_parquet(files).select(pl.len()).collect().item() > 0
        assert pl.read_parquet(files).height == n
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    import datasets

    for config in datasets.get_dataset_config_names(str(place)):
        loaded = datasets.load_dataset(str(place), config, cache_dir=str(tmp_path))
        assert loaded["train"].num_rows > 0
        assert set(loaded) == {"train"}
