"""Ray Data opens a published dataset, and its tasks publish one."""

from __future__ import annotations

import pytest

from factory.store.manifest import load
from factory.store.publish import publish
from tests.store.test_publish import SETTINGS, VIEW, a_run, tree

pytestmark = pytest.mark.ray


def test_ray_tasks_publish_and_ray_data_reads(ray_local, tmp_path):
    def on_cluster(function, tasks):
        remote = ray_local.remote(num_cpus=1, max_retries=-1)(function)
        return ray_local.get([remote.remote(task) for task in tasks])

    here = a_run(tmp_path / "here", 10)
    publish(here, SETTINGS, VIEW)
    run = a_run(tmp_path / "there", 10)
    published = publish(run, SETTINGS, VIEW, mapper=on_cluster).report.published
    assert tree(run) == tree(here)
    rows = ray_local.data.read_parquet(load(run.uri))
    assert rows.count() == published
    assert {"problem", "messages", "token_ids"} <= set(rows.schema().names)
    one = rows.take(1)[0]
    assert len(one["token_ids"]) == len(one["mask"]) == one["n_tokens"]
    by_directory = ray_local.data.read_parquet(f"{run.uri}/dataset", file_extensions=["parquet"])
    modes = [row["mode"] for row in by_directory.select_columns(["mode"]).take_all()]
    assert len(modes) == published
    assert set(modes) == {"high", "medium", "low"}
