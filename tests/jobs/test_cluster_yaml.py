"""The cluster file against Ray's own loader and schema, and what the factory needs of a cluster."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from factory.recipe import VllmSettings, load
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
    written["available_node_types"]["cpu-m7i"]["min_worker"] = 1
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


def test_a_worker_that_powers_itself_off_is_gone_and_one_that_never_joins_does_so(config):
    for name, worker in workers(config).items():
        assert worker["node_config"]["InstanceInitiatedShutdownBehavior"] == "terminate", name
        assert "shutdown -h +" in worker["node_config"]["UserData"], name
    joined = config["worker_start_ray_commands"]
    assert joined.index(next(c for c in joined if "ray start" in c)) < joined.index(
        next(c for c in joined if "shutdown -c" in c)
    )


def test_workers_run_the_guard_with_options_that_it_has(written):
    (command,) = (c for c in written["worker_start_ray_commands"] if "factory.cluster.guard" in c)
    words = shlex.split(command.split("nohup")[1].split(">>")[0])
    assert words[:3] == ["python", "-m", "factory.cluster.guard"]
    parsed = subprocess.run([sys.executable, *words[1:], "--help"], capture_output=True, text=True, cwd=ROOT)
    assert parsed.returncode == 0, parsed.stderr
    (pattern,) = re.findall(r"pkill -f '(.*?)'", command)
    assert re.search(pattern, " ".join(words))  # ends an earlier guard ...
    assert not re.search(pattern, f"bash -c pkill -f '{pattern}'")  # ... and not the shell that it stands in


def test_one_gpu_model_at_a_time_and_several_cpu_types(config):
    types = workers(config)
    on = {name for name, t in types.items() if t["resources"].get("GPU") and t["max_workers"]}
    assert len(on) == 1
    cpu_only = [t for t in types.values() if not t["resources"].get("GPU")]
    assert len({t["node_config"]["InstanceType"] for t in cpu_only}) >= 3
    assert len({t.get("priority", 0) for t in cpu_only}) >= 2


def test_profiles_are_those_that_the_preparation_makes(config):
    script = (ROOT / "jobs" / "aws" / "prepare.sh").read_text()
    for name, node_type in config["available_node_types"].items():
        profile = node_type["node_config"]["IamInstanceProfile"]["Name"]
        assert f"role {profile}\n" in script, name
    policy = json.loads((ROOT / "jobs" / "aws" / "head-policy.json").read_text())
    (passed,) = (s for s in policy["Statement"] if s["Action"] == "iam:PassRole")
    assert passed["Resource"].endswith("role/trace-factory-worker")
    (ended,) = (s for s in policy["Statement"] if "ec2:TerminateInstances" in s["Action"])
    assert config["cluster_name"] in str(ended["Condition"])  # Ray tags machines with it, and may end no others


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
    assert all(t["resources"]["CPU"] == 0 for t in gpu)  # or programs and sandboxes would move in, and hold the machine


def test_the_papers_recipe_fits_on_a_machine(config):
    """A replica lives on one machine: some GPU type must hold all GPUs and CPUs that the recipe's engine asks for."""
    engine = load(ROOT / "jobs" / "recipes" / "nemotron_math.yaml").teacher.engine
    assert isinstance(engine, VllmSettings)
    wanted = {"GPU": engine.reserved_gpus, "CPU": engine.reserved_cpus}
    types = workers(config).values()
    assert any(all(t["resources"].get(k, 0) >= n for k, n in wanted.items()) for t in types), wanted


def test_every_machine_installs_its_extra_and_spills_to_disk(config):
    extras = metadata("trace-factory").get_all("Provides-Extra")
    for role in ("head", "worker"):
        (install,) = (c for c in config[f"{role}_setup_commands"] if "trace-factory[" in c)
        assert {"gpu", "worker"} == set(re.findall(r"trace-factory\[(\w+)\]", install)) <= set(extras)
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
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    for command in (c for c in starts if "ray start" in c):
        used = {word.partition("=")[0] for word in command.split("ray start")[-1].split() if word.startswith("--")}
        assert used <= known
