"""Pushing to the Hub: one commit that holds exactly the version, resumed where it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from factory.store.fs import Store
from factory.store.publish import publish
from factory.store.run import Run
from factory.views.export import export
from factory.views.registry import named
from tests.store.hub_stub import HubStub
from tests.store.rows import problem, verdict
from tests.store.test_publish import SETTINGS, VIEW, a_run, journal, samples
from tests.store.test_run import recipe

ROOT = Path(__file__).parents[2]
MAIN = "from factory.cli import main; main()"


@pytest.fixture
def hub():
    with HubStub().running() as running:
        yield running


def push(hub: HubStub, uri: str, settings: str = "pass") -> subprocess.CompletedProcess[str]:
    """In a process of its own: the client library reads its settings when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
    main = f"from factory.store import hub; hub.PAUSE_S = 0.0; {settings}; {MAIN}"
    command = [sys.executable, "-c", main, "push-to-hub", uri, "me/traces"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=250)


def contents(run: Run) -> dict[str, bytes]:
    kept = [e.key for e in run.store.list("dataset/") if "_manifest" not in e.key]
    return {key.removeprefix("dataset/"): run.store.read(key) for key in kept}


def test_a_version_goes_up_in_one_commit_and_only_once(hub, tmp_path):
    run = a_run(tmp_path, 10)
    card = lambda m: {"README.md": b"---\nlicense: other\n---\n" + str(m.version).encode()}  # noqa: E731
    shards = publish(run, SETTINGS, VIEW, card=card).shards
    hub.fail_after = 5
    broken = push(hub, run.uri)
    assert broken.returncode == 2
    assert "did not take" in broken.stderr
    assert (hub.commits, hub.files) == ([], {})  # nothing is visible yet
    stored = len(hub.stored)
    assert stored == 5
    hub.fail_after, hub.uploads = None, 0
    done = push(hub, run.uri)
    assert done.returncode == 0, done.stderr
    assert hub.uploads == len(shards) - stored  # the five are not sent again
    assert len(hub.commits) == 1
    assert {k: v for k, v in hub.files.items() if "_manifest" not in k} == contents(run)
    assert "already" in push(hub, run.uri).stdout
    assert len(hub.commits) == 1

    mine = samples("late")
    journal(run, [*mine, verdict(problem("late"), mine)], "w2")
    publish(run, SETTINGS, VIEW, card=card)
    assert push(hub, run.uri).returncode == 0
    assert len(hub.commits) == 2
    assert {k: v for k, v in hub.files.items() if "_manifest" not in k} == contents(run)  # old files are gone
    assert len(hub.commits[1]["deleted"]) == len(shards)


def test_refusals_are_explained(hub, tmp_path):
    run = Run.open(str(tmp_path), recipe())
    assert "nothing is published" in push(hub, run.uri).stderr
    publish(run, SETTINGS, VIEW)
    hub.refuse = True
    refused = push(hub, run.uri)
    assert refused.returncode == 2
    assert "HF_TOKEN" in refused.stderr


def test_many_files_go_up_in_commits_that_the_hub_can_make_the_manifest_last(hub, tmp_path):
    run = a_run(tmp_path, 10)
    shards = publish(run, SETTINGS, VIEW).shards
    done = push(hub, run.uri, "hub.COMMIT_FILES = 3")
    assert done.returncode == 0, done.stderr
    added = [commit["added"] for commit in hub.commits]
    assert all(len(some) <= 3 for some in added)
    assert len(added) >= len(shards) / 3 > 1
    assert "_manifest" in added[-1][-1]
    assert {k: v for k, v in hub.files.items() if "_manifest" not in k} == contents(run)
    assert "already" in push(hub, run.uri).stdout


def test_a_commit_that_was_not_answered_is_made_once(hub, tmp_path):
    run = a_run(tmp_path, 10)
    publish(run, SETTINGS, VIEW)
    hub.time_outs = [True, False, False]
    done = push(hub, run.uri, "hub.COMMIT_FILES = 3")
    assert done.returncode == 0, done.stderr
    assert "checking whether it arrived" in done.stdout + done.stderr
    paths = [path for commit in hub.commits for path in commit["added"]]
    assert len(paths) == len(set(paths)) == len(hub.files)
    assert {k: v for k, v in hub.files.items() if "_manifest" not in k} == contents(run)


def test_a_hub_that_never_answers_ends_in_an_error(hub, tmp_path):
    run = a_run(tmp_path, 2)
    publish(run, SETTINGS, VIEW)
    hub.time_outs = [False] * 99
    done = push(hub, run.uri)
    assert done.returncode == 2
    assert "504" in done.stderr
    assert hub.commits == []


@pytest.mark.parametrize("view", ["sft", "rl_prompts"])
def test_an_exported_view_goes_up_and_its_next_version_takes_its_place(hub, tmp_path, view):
    run = a_run(tmp_path / "run", 10)
    publish(run, SETTINGS, VIEW)
    chosen = named(view)
    for place, fraction in (("one", 1.0), ("two", 0.5)):
        out = Store.open(str(tmp_path / place))
        export(chosen, run.uri, out.uri, chosen.options(fraction=fraction))
        done = push(hub, out.uri, "hub.COMMIT_FILES = 2")
        assert done.returncode == 0, done.stderr
        assert hub.files == {entry.key: out.read(entry.key) for entry in out.list("")}
        assert hub.commits[-1]["added"][-1:] in (["manifest.json"], [])
        assert "already" in push(hub, out.uri).stdout
    assert "nothing to push" in push(hub, str(tmp_path / "nowhere")).stderr
