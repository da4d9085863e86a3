"""docs/extending.md keeps its word: each of its diffs is one new file and at most two changed lines, and it works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
DIFFS = {
    title: diff
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    for diff in re.findall(r"^```diff\n(.*?)^```", body, re.M | re.S)
}
CHECKS = {
    "A program over stored answers": """
from factory import runs
from factory.cluster.demand import pools
from factory.programs.vote import VOTE, Vote
from factory.stages.worker import worker_class
recipe = Vote(name="n", source={"kind": "run", "path": "x"})
kind = runs.of_recipe(recipe)
assert [stage.program for stage in kind.stages(recipe)] == [VOTE]
assert [pool.keys for pool in pools(recipe, kind.stages(recipe))] == [("programs.workers",)]
assert worker_class(VOTE).__name__ == "Vote"
import asyncio
from factory.programs.answered import AnsweredProblem
from factory.recipe import Solve
from factory.verify import equivalent
from tests.programs.test_rejudge import stored
from tests.programs.test_solve import Scripted, modes
row = stored(modes(high=("8",) * 10 + ("7",) * 6))
verdict = asyncio.run(VOTE.run(row, Scripted({}), recipe.model_copy(update={"solve": Solve()}))).journal[-1]
assert verdict.reference == "8", verdict
""",
    "A kind of run": """
import asyncio, sys
from pathlib import Path
from factory import ingest, runs
from factory.cluster.demand import bundles, pools
from factory.programs.solve import SOLVE
from factory.store.publish import in_process
from factory.store.run import Run
folder = Path(sys.argv[1])
(folder / "p.jsonl").write_text('{"id": "a", "problem": "1 + 1?", "answer": "2"}\\n')
text = f"kind: trial\\nname: t\\nsources: [{{path: {folder}/p.jsonl}}]\\nteacher: {{model: m}}\\n"
(folder / "r.yaml").write_text(text)
recipe = runs.load(folder / "r.yaml")
kind = runs.of_recipe(recipe)
run = Run.open(str(folder / "run"), recipe)
assert runs.of_run(Run.attach(run.uri)) is kind
assert kind.take_in(run, recipe, in_process).problems == 1
keys = {key for pool in pools(recipe, kind.stages(recipe)) for key in pool.keys}
assert keys == {"sandbox.actors", "programs.workers"}, keys
assert "engine" in bundles(recipe, kind.stages(recipe)).values()
""",
}


@pytest.mark.parametrize("title", DIFFS)
def test_a_diff_is_one_new_file_and_at_most_two_changed_lines(title):
    files = re.split(r"^(?=--- )", DIFFS[title], flags=re.M)[1:]
    new = [file for file in files if file.startswith("--- /dev/null")]
    changed = [line for file in files if file not in new for line in file.splitlines()[2:] if line[0] in "+-"]
    assert len(new) == 1
    assert 1 <= len(changed) <= 2


@pytest.mark.parametrize("title", DIFFS)
def test_what_a_diff_builds_works(title, tmp_path):
    for part in ("factory", "tests/programs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("tests/conftest.py",):
        shutil.copy(ROOT / part, tmp_path / part)
    done = subprocess.run(["git", "apply", "-p1"], input=DIFFS[title], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.')\n{CHECKS[title]}", "data"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_diff_is_tried():
    assert DIFFS.keys() == CHECKS.keys()
