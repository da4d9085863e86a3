"""The frame of all views: funnels that add up, splits that nest, equal bytes, restarts, and errors in words."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.records import Verdict
from factory.store.manifest import latest
from factory.store.run import Run
from factory.views.export import export, finished_at
from factory.views.registry import VIEWS, named, options_of
from factory.views.split import split_of
from tests.conftest import ROOT
from tests.views.world import RECIPE, make_problem, make_run


def tree(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def test_every_published_trace_comes_once_and_the_rest_is_counted_by_reason(exported, made_run):
    done, rows = exported("sft")
    report = latest(Run.attach(made_run).store).report
    assert done.funnel.used == len(rows["sft"]) == len({row["uid"] for row in rows["sft"]}) == report.published > 50
    left = done.funnel.left_out
    assert left.keys() == {"copy", "replaced", "problem_too_easy", "wrong_answer", "no_answer", "undecided"}
    assert (left["copy"], left["replaced"]) == (1, 1)
    assert done.funnel.read == done.funnel.used + left.total()


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_adds_up_and_does_not_depend_on_how_the_journal_is_cut(name, exported):
    options = ["negatives=rules"] if "negatives" in VIEWS[name].options.model_fields else []
    options += {"packed": ["edges=[64,128]"], "rl_prompts": ["check=false"]}.get(name, [])
    whole, _ = exported(name, "hold_out=0.3", *options)
    parts, rows = exported(name, "hold_out=0.3", *options, partition_bytes=20_000)
    assert len({file.key.split("-")[1] for file in parts.files}) > 1
    for done in (whole, parts):
        assert done.funnel.read == done.funnel.used + done.funnel.left_out.total()
        assert sum(file.rows for file in done.files) == done.funnel.rows.total() > 0
    assert parts.funnel.left_out == whole.funnel.left_out
    if name != "packed":  # packs are made partition by partition
        assert parts.funnel == whole.funnel
    sides = {}
    for row in (row for table in rows.values() for row in table if "_split" in row):
        for problem in row.get("problem_ids", [row.get("problem_id")]):
            assert sides.setdefault(problem, row["_split"]) == row["_split"]
    assert set(sides.values()) == {"train", "test"}


@given(st.text(min_size=1, max_size=20), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 0.5))
@settings(max_examples=60, derandomize=True)
def test_subsets_nest_and_held_out_problems_stay_held_out(problem, some, more, hold_out):
    smaller, larger = sorted((some, more))
    if split_of(problem, smaller, hold_out) == "train":
        assert split_of(problem, larger, hold_out) == "train"
    assert (split_of(problem, smaller, hold_out) == "test") == (split_of(problem, larger, hold_out) == "test")
    if split_of(problem, 1, hold_out / 2) == "test":
        assert split_of(problem, 1, hold_out) == "test"


def test_a_smaller_share_is_part_of_a_larger(exported):
    sets = [{row["uid"] for row in exported("sft", f"fraction={f}")[1]["sft"]} for f in (0.2, 0.5, 1.0)]
    assert set() < sets[0] < sets[1] < sets[2]


def test_exported_twice_the_bytes_are_equal_and_a_finished_export_is_left_alone(made_run, tmp_path):
    for out in ("one", "two", "one"):
        export(named("sft"), made_run, str(tmp_path / out), options_of(named("sft"), ["form=tokens"]))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert not any(name.startswith("_") for name in tree(tmp_path / "one"))


KILLED = """
import os, signal, sys
from factory.views import export as frame
from factory.views.registry import named, options_of
done = []
def commit(*arguments):
    done.append(1)
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
original, frame.commit = frame.commit, commit
options = options_of(named("packed"), ["edges=[64,128]"])
frame.export(named("packed"), sys.argv[1], sys.argv[2], options, partition_bytes=20_000)
"""


def test_killed_in_the_middle_the_same_command_goes_on(made_run, tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, made_run, tmp_path / "killed"], cwd=ROOT, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = tree(tmp_path / "killed")
    assert sum(name.startswith("_unfinished/") for name in before) == 2
    assert finished_at(Run.attach(made_run).store.open(tmp_path / "killed")) is None
    options = options_of(named("packed"), ["edges=[64,128]"])
    for out in ("killed", "calm"):
        export(named("packed"), made_run, str(tmp_path / out), options, partition_bytes=20_000)
    assert tree(tmp_path / "killed") == tree(tmp_path / "calm")


def test_a_file_that_was_lost_is_written_again(made_run, tmp_path):
    first = export(named("sft"), made_run, str(tmp_path), options_of(named("sft"), []))
    before = tree(tmp_path)
    (tmp_path / first.files[0].key).unlink()
    export(named("sft"), made_run, str(tmp_path), options_of(named("sft"), []))
    assert tree(tmp_path) == before


def refusal(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    assert isinstance(done.exception, FactoryError), done.output
    return str(done.exception)


def test_what_is_wrong_is_said_in_words(made_run, tmp_path):
    assert "did you mean 'packed'" in refusal("paked", made_run, "--out", str(tmp_path))
    assert "did you mean 'fraction'" in refusal("sft", made_run, "--out", str(tmp_path), "--set", "fractoin=1")
    assert "less than or equal to 1" in refusal("sft", made_run, "--out", str(tmp_path), "--set", "fraction=2")
    assert "lacks --out" in refusal("sft", made_run)
    assert "there is no run" in refusal("sft", str(tmp_path / "nothing"), "--out", str(tmp_path))
    assert "is a run" in refusal("sft", made_run, "--out", made_run)
    assert "lacks URI" in refusal("sft")
    assert not any(tmp_path.iterdir())


def test_a_place_that_holds_another_export_is_left_alone(made_run, tmp_path):
    export(named("sft"), made_run, str(tmp_path), options_of(named("sft"), []))
    before = tree(tmp_path)
    assert 'view: "sft" -> "pairs"' in refusal("pairs", made_run, "--out", str(tmp_path))
    told = refusal("sft", made_run, "--out", str(tmp_path), "--set", "per_problem=2")
    assert "options.per_problem: null -> 2" in told
    assert tree(tmp_path) == before


def test_a_run_that_is_not_finished_or_has_gone_on_is_refused(made_run, tmp_path):
    run = Run.open(str(tmp_path / "new"), RECIPE)
    assert "nothing is published" in refusal("sft", run.uri, "--out", str(tmp_path / "out"))
    shutil.copytree(made_run, tmp_path / "more")
    run = Run.attach(str(tmp_path / "more"))
    journal = run.writer("later", RECIPE.journal)
    journal.append(make_problem("later", 1, (20, 30), random.Random(1))[1])
    journal.close()
    assert len(list(run.reader().counted(Verdict))) >= 1
    assert "has gone on since its version 1" in refusal("sft", run.uri, "--out", str(tmp_path / "out"))


def test_the_list_teaches(made_run):
    listed = CliRunner().invoke(app, ["export", "--list"]).output
    assert [line.split()[0] for line in listed.splitlines()] == list(VIEWS)
    for name, view in VIEWS.items():
        told = CliRunner().invoke(app, ["export", name, "--list"]).output
        assert all(f"  {option} = " in told for option in view.options.model_fields)
        assert all(field.description for field in view.options.model_fields.values())


def test_losing_everything_leaves_an_empty_export_with_its_reasons(exported):
    done, rows = exported("sft", "min_tokens=100000")
    assert rows == {}
    assert done.funnel.used == 0
    assert done.funnel.left_out["too_short"] > 0


@pytest.mark.s3
def test_a_bucket_holds_runs_and_exports(s3_bucket):
    run = make_run(f"{s3_bucket}/run", problems=4)
    done = export(named("sft"), run.uri, f"{s3_bucket}/out", options_of(named("sft"), []))
    assert finished_at(run.store.open(f"{s3_bucket}/out")) == done
