"""`factory tune` on this machine's CPUs: the demo's teacher, two settings, measured for seconds; then gone on with."""

from __future__ import annotations

import json

import pytest
import yaml

from factory import recipe as recipes
from factory.errors import FactoryError
from factory.tuning.candidates import SettingAxis
from factory.tuning.tune import Times, tune
from tests.conftest import ROOT

DEMO = ROOT / "jobs" / "recipes" / "demo.yaml"
ONE = "teacher.engine.max_num_seqs=1"
TIMES = Times(start=240.0, warm_up=5.0, measured=6.0)


@pytest.fixture(scope="module")
def recipe():
    """Its engine takes one sequence at a time."""
    problems = ROOT / "jobs" / "demo" / "problems.jsonl"
    return recipes.load(DEMO, [f"sources=[{{path: {problems}}}]", f"teacher.model={ROOT}/jobs/demo/teacher", ONE])


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.engine
@pytest.mark.timeout(900)
def test_the_faster_setting_is_found_kept_and_not_measured_again(ray_local, recipe, tmp_path):
    said: list[str] = []
    axes = [SettingAxis("max_num_seqs", (24,))]
    found = tune(recipe, str(tmp_path), axes, times=TIMES, emit=said.append)
    rates = {one.changes.get("max_num_seqs", 1): one.rate for one in found}
    assert rates.keys() == {1, 24}
    assert rates[24] > 2 * rates[1] > 0
    assert all(one.low <= one.rate <= one.high and not one.failed for one in found)
    assert all(0 < one.prefix_hits < 1 and 0 < one.kv_usage < 1 for one in found)

    best = yaml.safe_load((tmp_path / "tuning" / "best.yaml").read_text())
    assert best["teacher"]["engine"]["max_num_seqs"] == 24
    (speed,) = yaml.safe_load((tmp_path / "tuning" / "figures.yaml").read_text()).values()
    assert speed == sorted(speed)

    for file in (tmp_path / "tuning").glob("*.json"):  # a tuning that was stopped before its last measurement
        if json.loads(file.read_text())["changes"] == {"max_num_seqs": 24}:
            file.unlink()
    said.clear()
    again = tune(recipe, str(tmp_path), axes, times=TIMES, emit=said.append)
    assert [text for text in said if text.startswith("measuring")] == ['measuring {"max_num_seqs": 24}']
    assert {one.rate for one in found} - {one.rate for one in again} == {rates[24]}


def test_an_endpoint_is_not_ours_to_tune(recipe, tmp_path):
    endpoint = recipes.EndpointSettings(url="http://127.0.0.1:1")
    behind = recipe.model_copy(update={"teacher": recipe.teacher.model_copy(update={"engine": endpoint})})
    with pytest.raises(FactoryError, match="nothing to tune"):
        tune(behind, str(tmp_path))
