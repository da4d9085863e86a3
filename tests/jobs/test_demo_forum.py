"""The demo's path from forum threads to a dataset, with its own models: what is curated is what the key says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from factory.arrow import from_table
from factory.records import CuratedThread, ModelReply, Reject, Trace
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.tables import read_table
from jobs.demo.forum import write
from jobs.demo.forum.threads import ForumThread
from tests.conftest import ROOT

SMALL = {"sources.0.limit": 16, "sources.1.limit": 6, "sources.2.limit": 2, "solve.samples": 1, "solve.modes": "[low]"}


def journaled(uri: str, kind: type) -> list[Any]:
    store = Store.open(uri)
    keys = [entry.key for entry in store.list(DIRECTORIES[kind])]
    return [row for key in keys for row in from_table(kind, read_table(store, key))]


def outcome(thread: ForumThread) -> Iterator[tuple[str, str | None]]:
    """What should continue: open problems with the thread's answer, and proofs that can be converted, without one."""
    for known in thread.key:
        if known.kind == "open":
            yield known.text, known.answer
        elif known.converted:
            yield known.converted, None


@pytest.mark.engine
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_threads_become_the_problems_of_the_key(tmp_path):
    options = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    command = [sys.executable, "jobs/build_dataset.py", "--recipe", "jobs/recipes/demo.yaml", "--out", str(tmp_path)]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run([*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "unaccounted" not in done.stdout

    key = write.key(write.forum())
    curated = {row.thread_id: row.problems for row in journaled(str(tmp_path), CuratedThread)}
    rejected = [row.id for row in journaled(str(tmp_path), Reject) if row.kind == "thread"]
    ended = [name for name in (*curated, *rejected) if name in key]
    assert len(ended) == SMALL["sources.0.limit"] + SMALL["sources.1.limit"]
    right = 0
    for name in ended:
        found = [(problem.text, problem.answer) for problem in curated.get(name, [])]
        right += found == [*outcome(key[name])]
    assert right >= 0.7 * len(ended), f"{right} of {len(ended)} threads as the key has them"
    used = [row for row in journaled(str(tmp_path), Trace) if row.tool]
    assert sum(bool(row.tool_calls) and row.answer is not None for row in used) >= 0.7 * len(used) > 0, "lost its tool"
    prompts = {row.key.split("/")[1] for row in journaled(str(tmp_path), ModelReply)}
    assert {"extract_problems", "classify_proof", "extract_answer"} <= prompts
