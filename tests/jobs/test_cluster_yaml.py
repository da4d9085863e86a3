"""The cluster file against Ray's own loader and schema, and what the factory needs of a cluster."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from factory.recipe import VllmEngine, load
from tests.conftest import ROOT


@pytest.fixture
def written() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture
def config(written) -> dict[str, Any]:
    """The file as `ray up` sees it: the provider's defaults filled in, commands merged."""
    return prepare_config(copy.deepcopy(written))


def workers(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: t for name, t in config["available_node_types"].items() if name != config["head_node_type"]}


def test_ray_accepts_it(config):
    validate_config(config)


def test_the_validation_is_a_real_one(written):
    written["available_node_types"]["cpu"]["min_worker"] = 1
    with pytest.raises(ValidationError, match="min_worker"):
        validate_config(prepare_config(written))


def test_nothing_of_it_is_a_default_that_was_overlooked(written):
    """An unknown top-level key would be refused; a missing one is filled in with Ray's, such as its nightly wheel."""
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands", "file_mounts"):
        assert written[key], key


def test_the_head_stays_and_the_workers_may_go(config):
    head = config["available_node_types"][config["head_node_type"]]
    assert "InstanceMarketOptions" not in head["node_config"]
    assert head["resources"] == {"CPU": 0}
    for name, worker in workers(config).items():
        assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}, name


def test_every_machine_is_bounded_and_tagged(config):
    types = workers(config)
    assert 0 < config["max_workers"] <= sum(t["max_workers"] for t in types.values())
    assert config["provider"]["cache_stopped_nodes"] is False
    for name, node_type in config["available_node_types"].items():
        assert node_type["max_workers"] <= config["max_workers"], name
        (specification,) = node_type["node_config"]["TagSpecifications"]
        assert {tag["Key"] for tag in specification["Tags"]} >= {"project", "owner"}, name
    assert min(t["min_workers"] for t in types.values() if t["resources"].get("GPU")) == 0


def test_programs_and_sandboxes_have_cpus_and_engines_have_gpus(config):
    types = workers(config).values()
    cpu_only = [t for t in types if not t["resources"].get("GPU")]
    gpu = [t for t in types if t["resources"].get("GPU")]
    assert cpu_only
    assert any(t["min_workers"] > 0 for t in cpu_only)
    assert len({t["node_config"]["InstanceType"] for t in gpu}) >= 2
    assert all(t["resources"]["CPU"] == 0 for t in gpu)  # or programs and sandboxes would move in, and hold the machine


def test_the_papers_recipe_fits_on_a_machine(config):
    """A replica lives on one machine: some GPU type must hold all GPUs and CPUs that the recipe's engine asks for."""
    engine = load(ROOT / "jobs" / "recipes" / "nemotron_math.yaml").teacher.engine
    assert isinstance(engine, VllmEngine)
    wanted = {"GPU": engine.reserved_gpus, "CPU": engine.reserved_cpus}
    types = workers(config).values()
    assert any(all(t["resources"].get(k, 0) >= n for k, n in wanted.items()) for t in types), wanted


def test_every_machine_installs_the_gpu_extra_and_spills_to_disk(config):
    for role in ("head", "worker"):
        assert any("trace-factory[gpu]" in command for command in config[f"{role}_setup_commands"])
        (start,) = (command for command in config[f"{role}_start_ray_commands"] if "ray start" in command)
        assert "--object-spilling-directory=" in start
        assert "--object-store-memory=" in start
    assert "RAY_AUTH_MODE=token" in "".join(config["setup_commands"])
    assert any(remote.endswith("/.ray/auth_token") for remote in config["file_mounts"])


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # Serve's, at import
def test_the_options_of_ray_start_exist():
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for command in config["head_start_ray_commands"] + config["worker_start_ray_commands"]:
        used = {word.partition("=")[0] for word in command.split("ray start")[-1].split() if word.startswith("--")}
        assert used <= known
