"""Scripts that start a run elsewhere: their grammar, the options that they use, and what they call, without a cloud."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from factory import launch
from factory import recipe as recipes
from factory.errors import FactoryError
from tests.conftest import ROOT

JOBS = ROOT / "jobs"
ENGINES = sorted((JOBS / "recipes" / "engines").glob("*.yaml"))
AWS = """#!/usr/bin/env python3
import os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(repr(sys.argv[1:]) + "\\n")
words = sys.argv[1:]
if words[:2] == ["iam", "get-role"] or words[:2] == ["iam", "get-instance-profile"]:
    sys.exit(0 if "exists" in os.environ.get("ACCOUNT", "") else 254)
if words[:2] == ["sts", "get-caller-identity"] and os.environ.get("ACCOUNT") == "none":
    sys.exit("Unable to locate credentials")
print({"describe-vpcs": "vpc-1", "describe-images": "ami-1", "create-security-group": "sg-1",
       "describe-security-groups": "sg-0" if "exists" in os.environ.get("ACCOUNT", "") else "None"}.get(words[1], ""))
"""


def prepare(folder: Path, account: str) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """`jobs/aws/prepare.sh` with a stand-in for the AWS command line, and the calls that it made."""
    stub, calls = folder / "aws", folder / "calls"
    stub.write_text(AWS)
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "ACCOUNT": account}
    done = subprocess.run([JOBS / "aws" / "prepare.sh", "my-bucket"], env=env, capture_output=True, text=True)
    return done, [eval(line, {}) for line in calls.read_text().splitlines()]  # what the stub itself wrote


def test_a_new_account_gets_its_roles_and_is_told_what_to_fill_in(tmp_path):
    done, calls = prepare(tmp_path, "new")
    assert done.returncode == 0, done.stderr
    made = [call[call.index("--role-name") + 1] for call in calls if call[:2] == ["iam", "create-role"]]
    assert made == ["trace-factory-worker", "trace-factory-head"]
    for call in calls:
        if "--policy-document" in call and not call[-1].startswith("file://"):
            assert "my-bucket" in str(json.loads(call[call.index("--policy-document") + 1]))
    assert ["iam", "create-service-linked-role", "--aws-service-name", "spot.amazonaws.com"] in calls
    assert "[sg-1]" in done.stdout
    assert "ami-1" in done.stdout


def test_an_account_that_is_prepared_is_left_as_it_is(tmp_path):
    done, calls = prepare(tmp_path, "exists")
    assert done.returncode == 0, done.stderr
    assert not [call for call in calls if call[1].startswith("create-")]
    assert "[sg-0]" in done.stdout


def test_without_credentials_nothing_is_made(tmp_path):
    done, calls = prepare(tmp_path, "none")
    assert done.returncode != 0
    assert "credentials" in done.stderr
    assert len(calls) == 1


@pytest.mark.parametrize("script", ["aws/prepare.sh", "slurm.sh"])
def test_scripts_are_valid_and_refuse_to_run_without_what_they_need(script):
    assert subprocess.run(["bash", "-n", JOBS / script]).returncode == 0
    done = subprocess.run(["bash", JOBS / script], capture_output=True, text=True)
    assert done.returncode != 0
    assert "usage: " in done.stderr


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # Serve's, at import
def test_slurm_tells_the_job_its_cluster_and_uses_options_that_exist():
    from ray.scripts.symmetric_run import symmetric_run

    script = (JOBS / "slurm.sh").read_text().replace("\\\n", " ")
    (line,) = (line for line in script.splitlines() if "symmetric-run" in line and not line.startswith("#"))
    ours, entry = line.split("symmetric-run")[1].split(" -- ")
    known = {option for parameter in symmetric_run.params for option in parameter.opts}
    assert set(re.findall(r"--[\w-]+", ours)) <= known
    assert entry.split()[:2] == ["env", 'RAY_ADDRESS="$address"']
    assert (ROOT / "jobs" / "build_dataset.py").exists()


def test_skypilots_file_starts_one_head_and_tells_the_job():
    task = yaml.safe_load((JOBS / "skypilot.yaml").read_text())
    assert set(task) == {"name", "num_nodes", "resources", "envs", "workdir", "setup", "run"}
    for part in ("setup", "run"):
        assert subprocess.run(["bash", "-n"], input=task[part], text=True).returncode == 0
    assert task["run"].count("ray start --head") == 1
    assert 'export PATH="$HOME/venv/bin:$PATH" RAY_ADDRESS=' in task["run"]
    assert (ROOT / task["envs"]["RECIPE"]).exists()


@pytest.mark.parametrize("variable", ["SLURM_JOB_NUM_NODES", "SKYPILOT_NUM_NODES"])
def test_a_job_of_several_nodes_never_starts_alone_on_one(monkeypatch, variable):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv(variable, "4")
    with pytest.raises(FactoryError, match="4 nodes and would run on one"):
        launch.start_ray(verbose=False)


@pytest.mark.parametrize("file", ENGINES, ids=lambda p: p.stem)
def test_engine_settings_of_other_gpus_change_the_machines_and_no_result(file):
    base = JOBS / "recipes" / "nemotron_math.yaml"
    changed = recipes.load(base, files=[file])
    engine = yaml.safe_load(file.read_text())["teacher"]["engine"]
    assert changed.fingerprint == recipes.load(base).fingerprint
    assert changed.teacher.engine.tensor_parallel_size == engine["tensor_parallel_size"]
