"""What is learnt of a trace, and the teacher's tokens as a student's."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from factory.dialects.tokenizer import HfTokenizer
from factory.store.manifest import load
from factory.training import data, rows
from factory.training.student import special_tokens, tokenizer_digest
from tests.engines import tiny_model
from tests.training.support import RUN, TEACHER, recipe


@pytest.fixture(scope="module")
def traces():
    return [row for file in load(RUN) for row in pq.read_table(file, columns=["token_ids", "mask"]).to_pylist()]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A student with a byte tokenizer of its own."""
    return tiny_model.write(tmp_path_factory.mktemp("student"))


def students_rows(*overrides):
    """Every trace of the stored run: the student's row, or why it has none."""
    return [row for _, row in rows._students_rows(data.with_digests(recipe(*overrides)))]


def test_only_generated_tokens_are_learnt(traces):
    for row, trace in zip(students_rows(), traces, strict=True):
        assert row["input_ids"].tolist() == trace["token_ids"]
        learnt = [token if origin == 1 else -100 for token, origin in zip(*trace.values(), strict=True)]
        assert row["labels"].tolist() == [-100, *learnt[1:]]  # nothing stands before the first
        assert row["learnt"]


def test_the_students_tokens_spell_the_teachers_text_stretch_by_stretch(traces, other):
    teacher, student = HfTokenizer(TEACHER), HfTokenizer(other)
    end = special_tokens(other).end
    for row, trace in zip(students_rows(f"student.model={other}"), traces, strict=True):
        ids, labels = row["input_ids"].tolist(), row["labels"].tolist()
        if len(ids) > len(student.encode(teacher.decode(trace["token_ids"]))):  # it ended by itself
            assert ids.pop() == labels.pop() == end
        assert student.decode(ids) == teacher.decode(trace["token_ids"])
        mine = student.decode([label for label in labels if label >= 0])
        assert mine == teacher.decode([i for i, m in zip(*trace.values(), strict=True) if m == 1])
        assert not set(ids) & set(student.control.values()), "control tokens are spelt out"


def test_a_trace_that_the_student_cannot_spell_is_counted_and_stops_nothing(other, monkeypatch):
    class Lossy(HfTokenizer):
        def encode(self, text):
            return super().encode(text.replace("7", "?"))

    monkeypatch.setattr(rows, "HfTokenizer", lambda place: (Lossy if place == other else HfTokenizer)(place))
    found = students_rows(f"student.model={other}")
    assert {row for row in found if isinstance(row, str)} == {"student_changes_text"}
    assert any(not isinstance(row, str) for row in found)


def test_tokenizers_are_the_same_by_what_they_do_to_text(tmp_path, other):
    state = json.loads((TEACHER / "tokenizer.json").read_text())
    (tmp_path / "spaced.json").write_text(json.dumps(state, indent=4))
    digest = tokenizer_digest(TEACHER / "tokenizer.json")
    assert tokenizer_digest(tmp_path / "spaced.json") == digest
    assert tokenizer_digest(other / "tokenizer.json") != digest
    state["added_tokens"][0]["content"] = "<|other|>"
    (tmp_path / "other.json").write_text(json.dumps(state))
    assert tokenizer_digest(tmp_path / "other.json") != digest
