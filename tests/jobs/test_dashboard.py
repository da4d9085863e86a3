"""The Grafana dashboard: the committed file is the generated one, queries are PromQL, every metric has a panel."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from factory.metrics import TABLE
from tests.conftest import ROOT

FOLDER = ROOT / "jobs" / "grafana"
OURS = {
    name: set(metric.tags) | {"run"} | ({"le"} if metric.kind == "histogram" else set())
    for metric in TABLE
    for name in (
        [f"{metric.exported}_{part}" for part in ("bucket", "count", "sum")]
        if metric.kind == "histogram"
        else [metric.exported]
    )
}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads((FOLDER / "factory.json").read_text(encoding="utf-8"))


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def names(query: str) -> set[str]:
    return set(re.findall(r"\bray_\w+", query))


def vllm_metrics() -> set[str]:
    """What vLLM's replicas export through Ray, as the source of its loggers spells it."""
    root = importlib.util.find_spec("vllm").submodule_search_locations[0]
    with open(f"{root}/v1/metrics/loggers.py", encoding="utf-8") as file:
        found = set(re.findall(r'"vllm:(\w+)"', file.read()))
    return {f"ray_vllm_{name}{suffix}" for name in found for suffix in ("", "_total")}


def test_the_committed_file_is_the_generated_one():
    generated = runpy.run_path(str(FOLDER / "write_dashboard.py"))["text"]()
    written = (FOLDER / "factory.json").read_text(encoding="utf-8")
    assert written == generated, "run .venv/bin/python jobs/grafana/write_dashboard.py"


def test_every_metric_has_a_panel_and_every_panel_s_metrics_exist(dashboard):
    shown = set().union(*map(names, queries(dashboard)))
    vllm = {name for name in shown if name.startswith("ray_vllm_")}
    assert vllm <= vllm_metrics()
    assert shown - vllm <= set(OURS)
    missing = [metric.name for metric in TABLE if not any(name.startswith(metric.exported) for name in shown)]
    assert not missing


def test_every_query_is_promql_over_labels_that_the_metrics_have(dashboard):
    for query in queries(dashboard):
        promql_parser.parse(query.replace("$__rate_interval", "1m"))
        ours = names(query) & set(OURS)
        grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
        for name in ours:
            assert grouped <= OURS[name], query
            assert f'{name}{{run=~"$run"}}' in query, query


def test_legends_name_labels_that_their_queries_keep(dashboard):
    for panel in panels(dashboard):
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {
                label.strip() for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(",")
            }
            assert labels <= kept, panel["title"]


def test_panels_do_not_overlap_and_say_what_they_mean(dashboard):
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(len(panel["description"]) > 10 for panel in panels(dashboard))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_counters_and_units_are_named_as_prometheus_asks():
    for metric in TABLE:
        assert re.fullmatch(r"factory_[a-z_]+[a-z]", metric.name)
        assert not metric.name.endswith("_total")  # Ray's exporter adds it
        assert metric.unit not in ("seconds", "bytes") or metric.name.endswith(metric.unit), metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert list(metric.bounds) == sorted(metric.bounds)
    assert len({metric.name for metric in TABLE}) == len(TABLE)
