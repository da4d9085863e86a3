"""The generated forum: the shipped files are those of the script, the sources read them, and the key holds."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from factory.programs import curation
from factory.programs.thread_text import discussion_text, question_text
from factory.recipe import Source
from factory.records import Reject, Thread
from factory.sources import read, splits
from factory.verify import equivalent
from jobs.demo.families import FAMILIES
from jobs.demo.forum import answers, formats, posed, threads, write
from jobs.demo.forum.worded import worded

DATA = Path(write.__file__).with_name("data")
DUMP = Source(kind="stackexchange", path=str(DATA), name="forum")
AOPS = Source(kind="aops", path=str(DATA / "aops.jsonl"))
MADE = write.forum()


def rows_of(*sources: Source) -> list[Thread | Reject]:
    return [row for source in sources for split in splits(source) for row in read(split)]  # type: ignore[misc]


def test_the_shipped_files_are_the_ones_the_script_writes() -> None:
    written = write.files(MADE)
    assert {file.name for file in DATA.iterdir()} == written.keys()
    for name, text in written.items():
        assert (DATA / name).read_text(encoding="utf-8") == text, name


def test_the_sources_read_every_thread_and_reject_the_rows_that_are_none() -> None:
    rows = rows_of(DUMP, AOPS)
    key = write.key(MADE)
    found = {row.id: row for row in rows if isinstance(row, Thread)}
    assert found.keys() == key.keys()
    assert sorted(row.reason for row in rows if isinstance(row, Reject)) == ["orphan_answer", "other_post_type"]
    assert [row.duplicate_of for row in found.values() if row.duplicate_of] == [
        [f"forum:{earlier}"] for _, earlier in MADE.duplicates
    ]
    assert any(answer.attribution.user_name for row in found.values() for answer in row.answers)


def test_training_sees_threads_as_the_sources_read_them() -> None:
    key = write.key(MADE)
    for row in rows_of(DUMP, AOPS):
        if isinstance(row, Thread):
            site: threads.Site = "aops" if row.id.startswith("aops") else "stackexchange"
            again = formats.record(key[row.id], site, int(row.id.replace("-", ":").split(":")[1]))
            assert question_text(again) == question_text(row)
            assert discussion_text(again, 24_000) == discussion_text(row, 24_000)


def test_the_forum_holds_every_kind_of_problem_and_posts_without_any() -> None:
    kinds = Counter(known.kind for thread in write.key(MADE).values() for known in thread.key)
    assert kinds.keys() == {"open", "proof", "multiple_choice", "binary", "invalid"}
    assert min(kinds.values()) >= 5
    assert sum(not thread.key for thread in write.key(MADE).values()) >= 5


def test_some_threads_ask_for_problems_of_the_benchmark() -> None:
    lines = (DATA.parents[1] / "benchmark.jsonl").read_text(encoding="utf-8").splitlines()
    listed = {json.loads(line)["problem"] for line in lines}
    posed_here = {known.text for thread in write.key(MADE).values() for known in thread.key}
    assert listed & posed_here


@pytest.mark.parametrize("site", ["stackexchange", "aops"])
def test_problems_stand_in_their_post_and_answers_in_their_thread(site: threads.Site) -> None:
    rng = random.Random(site)
    for _ in range(300):
        thread = threads.draw(rng, site, apart=rng.random() < 0.5)
        record = formats.record(thread, site)
        post, replies = question_text(record), discussion_text(record, 24_000)
        for known in thread.key:
            question = known.text if known.text in post else known.text.rpartition(". ")[2]
            assert question in post, (known.text, post)
            assert known.answer is None or known.answer in post + replies
            assert known.named in replies
        listed = "\n".join(f"Problem {n}: {known.text}" for n, known in enumerate(thread.key, 1)) or "No problem"
        assert curation.problems(listed).value == [known.text for known in thread.key]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_other_words_leave_the_exercise_as_it_is(family: str) -> None:
    rng = random.Random(family)
    texts = set()
    for _ in range(40):
        numbers = rng.getrandbits(32)
        one, two = (worded(family, numbers, rng.getrandbits(32)) for _ in range(2))
        assert (one.key, one.answer) == (two.key, two.answer)
        texts.add(one.text == two.text)
    assert False in texts


def test_held_back_problems_are_apart() -> None:
    rng = random.Random(4)
    made = {
        apart: {draw(rng, apart=apart).text for _ in range(300) for draw in (posed.binary, posed.invalid)}
        for apart in (True, False)
    }
    assert not made[True] & made[False]


def test_notations_of_a_value_never_contradict_the_rules() -> None:
    """Where the rules that compare answers decide, they agree that two notations of one value are the same."""
    rng, wrong = random.Random(5), []
    for _ in range(200):
        value = answers.other_value(posed.Fraction(rng.randint(1, 60), rng.choice([1, 1, 2, 4, 5, 7])), rng)
        one, two = (answers.written([value], rng, "cm") for _ in range(2))
        assert one.plain == two.plain
        verdict = equivalent(one.text, two.text)
        if verdict.equal is False:
            wrong.append((one.text, two.text, verdict.method))
    assert len(wrong) < 40, wrong[:10]
