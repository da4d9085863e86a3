"""The verdict itself: it passes what is sound, and names each kind of loss, copy and contradiction."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from factory import ingest
from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.prompts.loader import prompt
from factory.recipe import Publish, Recipe, Source, Teacher
from factory.records import Mode, Problem, Reject, SampleKey, Trace
from factory.store.publish import publish
from factory.store.run import Run
from factory.views.nemotron import NemotronMath
from tests.chaos.account import Account, account_of
from tests.chaos.verdict import TEACHER, Judged, judge
from tests.programs.rollouts import Python, call, draw, run, turns
from tests.store.rows import verdict

SUMS = {"a": Problem(id="a", text="What is 2 + 2?", answer="4"), "b": Problem(id="b", text="What is 4?", answer="4")}
HARMONY = Harmony(HfTokenizer(TEACHER))


def a_sample(of: Problem, sample: int = 0, code: str = "print(4)", lose: tuple[int, ...] = ()) -> Trace:
    """Two Python calls and an answer, in the real dialect of the demo's teacher."""
    words = prompt("solve")
    order = replace(
        draw(dialect=HARMONY),
        key=SampleKey(problem_id=of.id, mode=Mode.LOW, tool=True, sample=sample),
        prompt=HARMONY.prompt(words.render({"problem": of.text}), mode=Mode.LOW, tool=True),
        prompt_fingerprint=words.fingerprint,
    )
    replies = call("x = 4"), call(code), "<|channel|>final<|message|>It is \\boxed{4}.<|return|>"
    script = turns(*replies, dialect=HARMONY, tokenizer=HARMONY.tokenizer)
    return asyncio.run(run(script, Python(lose=lose), order=order, dialect=HARMONY))


@pytest.fixture(scope="module")
def samples() -> dict[str, list[Trace]]:
    return {name: [a_sample(of, k) for k in (0, 1)] for name, of in SUMS.items()}


def finished(place: Path, samples: dict[str, list[Trace]], *more: Trace | Reject) -> Account:
    """The account of a run whose journal holds these samples with their verdicts, and whatever else is given."""
    place.mkdir()
    table = place / "problems.jsonl"
    table.write_text(
        "".join(json.dumps({"id": p.id, "problem": p.text, "answer": p.answer}) + "\n" for p in SUMS.values())
    )
    recipe = Recipe(name="r", sources=[Source(path=str(table))], teacher=Teacher(model=str(TEACHER)))
    opened = Run.open(str(place / "run"), recipe)
    parts = ingest.read_group(opened.store, 0, ingest.group_splits(recipe.sources)[0])
    ingest.finish(opened.store, parts)
    writer = opened.writer("w", recipe.journal)
    for name, traces in samples.items():
        for row in (*traces, verdict(SUMS[name], traces)):
            writer.append(row)
    for row in more:
        writer.append(row)
    writer.close()
    publish(opened, Publish(), NemotronMath())
    return account_of(opened.uri)


def faults(judged: Judged) -> set[str]:
    return {what for what, against in judged.checks.items() if against}


@pytest.fixture
def calm(tmp_path, samples) -> Account:
    return finished(tmp_path / "calm", samples)


def test_a_run_that_lost_nothing_passes_whatever_its_journal_holds_twice(tmp_path, samples, calm):
    judged = judge(finished(tmp_path / "fire", samples, samples["a"][0]), calm)
    assert judged.sound, judged.checks
    assert judged.compared == 5
    assert len(calm.published) == 4


def test_a_problem_that_never_ended(tmp_path, samples, calm):
    judged = judge(finished(tmp_path / "fire", {"a": samples["a"]}), calm)
    assert judged.checks["every row and every problem of a thread has an ending"] == ["b"]
    assert {"problems ended the same way", "they have the same finished samples"} <= faults(judged)


def test_a_sample_that_was_never_drawn(tmp_path, samples, calm):
    judged = judge(finished(tmp_path / "fire", samples | {"b": samples["b"][:1]}), calm)
    assert {"they have the same finished samples", "they have the same published samples"} <= faults(judged)


def test_a_row_that_a_crash_turned_into_a_reject(tmp_path, samples, calm):
    crash = Reject(id="b", kind="problem", stage="solve", reason="program_failed")
    judged = judge(finished(tmp_path / "fire", {"a": samples["a"]}, crash), calm)
    assert judged.checks["no reject was caused by a kill"] == ["b: "]


def test_other_tokens_for_no_reason(tmp_path, samples, calm):
    other = {"a": [a_sample(SUMS["a"], 0, code="print(5)"), samples["a"][1]], "b": samples["b"]}
    judged = judge(finished(tmp_path / "fire", other), calm)
    (found,) = judged.checks["equal samples have equal tokens"]
    assert found.startswith("a/low/python/0: from token ")


def test_other_tokens_because_the_interpreter_was_lost(tmp_path, samples, calm):
    other = {"a": [a_sample(SUMS["a"], 0, lose=(1,)), samples["a"][1]], "b": samples["b"]}
    judged = judge(finished(tmp_path / "fire", other), calm)
    assert judged.sound, judged.checks
    assert judged.told == {"a"}


def test_a_file_that_no_manifest_names(tmp_path, samples, calm):
    fire = finished(tmp_path / "fire", samples)
    shard = fire.manifest.shards[0].key
    fire.run.store.write(shard.replace(".parquet", "-again.parquet"), fire.run.store.read(shard))
    judged = judge(account_of(fire.run.uri), calm)
    assert {"no key is twice in dataset/", "dataset/ holds the files of the manifest and no other"} <= faults(judged)
