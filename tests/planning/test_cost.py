"""Cost so far: measured hours times given prices, and where each price is from."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.planning.cost import cost, prices
from factory.recipe import Prices
from factory.report.status import render, status
from factory.store.usage import Usage
from tests.report.builders import a_run


def usage(gpu_h: float, cpu_h: float, **changes) -> Usage:
    values = {
        "start": "s", "started": "t", "updated": "t", "ended": True, "seconds": 3600.0, "replica_s": {},
        "cluster_s": {"GPU": gpu_h * 3600, "CPU": cpu_h * 3600}, "gpu_s": {"teacher": gpu_h * 1800},
        "engine_time": {"busy": 3.0, "tools": 1.0}, "prices": {},
    }  # fmt: skip
    return Usage(**values | changes)


def test_starts_add_up_each_at_its_price():
    found = cost([usage(10, 100, prices={"gpu_hour": 2.0, "cpu_hour": 0.01}), usage(5, 0, prices={"gpu_hour": 3.0})])
    assert (found.gpu_hours, found.engine_gpu_hours, found.cpu_hours, found.hours) == (15, 7.5, 100, 2)
    assert (found.gpu_cost, found.cpu_cost, found.total) == (35, 1, 36)
    assert found.engine_time == {"busy": 0.75, "tools": 0.25}
    assert "2 a GPU-hour, from the recipe" in found.rests_on
    assert "3 a GPU-hour, from the recipe" in found.rests_on


def test_a_price_that_is_given_goes_before_the_recipe_s():
    found = cost([usage(10, 100, prices={"gpu_hour": 2.0})], prices(["gpu_hour=4", "cpu_hour=0.1"]))
    assert found.total == 50
    assert found.rests_on == ["4 a GPU-hour, as given", "0.1 a CPU-hour, as given"]


def test_without_prices_gpus_have_a_placeholder_and_cpus_none():
    found = cost([usage(10, 100)])
    assert found.total == found.gpu_cost == 25
    assert found.cpu_cost is None
    assert any("placeholder" in words for words in found.rests_on)
    assert any("CPUs without a price" in words for words in found.rests_on)
    assert cost([usage(0, 100)]).rests_on == ["CPUs without a price: give --price cpu_hour=..."]


def test_nothing_on_record_is_no_cost():
    assert cost([]) is None


@pytest.mark.parametrize("text", ["gpu_hours=2", "gpu_hour=-1", "gpu_hour=cheap", "gpu_hour"])
def test_what_is_no_price_is_refused(text):
    with pytest.raises(FactoryError):
        prices([text])


def test_status_tells_cost_per_kept_trace_and_what_is_to_come(tmp_path):
    run = a_run(tmp_path, finished=False)
    for entry in run.store.list("usage/"):
        run.store.delete(entry.key)
    assert "cost       unknown" in render(status(run.uri))
    from dataclasses import asdict

    run.store.write("usage/a.json", json.dumps(asdict(usage(10, 0))).encode())
    now = status(run.uri, prices=Prices(gpu_hour=2.0))
    assert now.cost.total == 20
    assert now.cost_per_kept_trace == pytest.approx(20 / now.right)
    assert now.cost_to_come == pytest.approx(now.hours_left * 20)
    text = CliRunner().invoke(app, ["status", run.uri, "--price", "gpu_hour=2"]).output
    assert "cost       20.00 so far: 10.00 GPU-h, 0.00 CPU-h in 1 start" in text
    assert "per kept trace" in text
    assert "rests on 2 a GPU-hour, as given" in text
    values = json.loads(CliRunner().invoke(app, ["status", run.uri, "--json"]).output)
    assert values["cost"]["gpu_hours"] == 10
    assert values["cost_per_kept_trace"] == pytest.approx(25 / now.right)
