"""`jobs/run.py`: a recipe's kind picks the run; a rejudge, killed once, ends in a dataset without any engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

from factory.report.differences import Differences
from factory.runs.derived import DIFFERENCES
from factory.store.manifest import latest
from factory.store.run import Run
from tests.conftest import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def test_a_rejudge_that_is_killed_goes_on_to_its_dataset(tmp_path):
    (stored,) = (ROOT / "tests" / "stored_runs").glob("*/run.json")
    source, out, recipe = tmp_path / "source", tmp_path / "out", tmp_path / "strict.yaml"
    shutil.copytree(stored.parent, source)
    sections = {
        "kind": "rejudge",
        "name": "strict",
        "source": {"kind": "run", "path": str(source)},
        "verify": {"policy": {"missing_unit": False}},
        "programs": {"workers": [1, 1]},
    }
    recipe.write_text(yaml.safe_dump(sections))
    command = [sys.executable, "jobs/run.py", "--recipe", str(recipe), "--out", str(out)]
    first = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    lines = []
    for line in first.stdout:
        lines.append(line)
        if line.startswith("inputs:"):
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert lines[-1].startswith("inputs:"), "".join(lines)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "continued" in done.stdout
    run = Run.attach(str(out))
    manifest = latest(run.store)
    assert manifest.report.published > 0
    assert manifest.report.lost == 0
    found = Differences.from_json(run.store.read(DIFFERENCES))
    assert not found.unfinished
    assert sum(found.problems.values()) == sum(manifest.report.problems.values())
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert latest(run.store) == manifest


def test_a_kind_that_is_not_there_is_named(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("kind: rejuge\nname: n\n")
    done = subprocess.run(
        [sys.executable, "jobs/run.py", "--recipe", str(recipe)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "did you mean 'rejudge'?" in done.stderr
    assert "Traceback" not in done.stderr
