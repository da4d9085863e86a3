"""What is learnt of a trace, and the teacher's tokens as a student's."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from factory.dialects.tokenizer import HfTokenizer
from factory.errors import FactoryError
from factory.store.manifest import load
from factory.training.labels import Retokenizer, labels_of, tokenizer_digest
from tests.engines import tiny_model
from tests.training.support import RUN, TEACHER


@pytest.fixture(scope="module")
def traces():
    return [row for file in load(RUN) for row in pq.read_table(file, columns=["token_ids", "mask"]).to_pylist()]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A student with a byte tokenizer of its own."""
    return tiny_model.write(tmp_path_factory.mktemp("student"))


def test_only_generated_tokens_are_learnt(traces):
    for row in traces:
        labels = labels_of(row["token_ids"], row["mask"])
        assert all(
            (label == token) if origin == 1 else label == -100
            for label, token, origin in zip(labels[1:], row["token_ids"][1:], row["mask"][1:], strict=True)
        )
    assert labels_of([5, 6], [1, 1]) == [-100, 6]  # nothing stands before the first
    with pytest.raises(ValueError, match="2 tokens with a mask of 1"):
        labels_of([5, 6], [1])


def test_the_students_tokens_spell_the_teachers_text_stretch_by_stretch(traces, other):
    teacher, student = HfTokenizer(TEACHER), HfTokenizer(other)
    become = Retokenizer(teacher, student, end=student.control["<|return|>"])
    for row in traces:
        ids, mask = become(row["token_ids"], row["mask"], ended=True)
        assert (ids[-1], mask[-1]) == (student.control["<|return|>"], 1)
        assert student.decode(ids[:-1]) == teacher.decode(row["token_ids"])
        for origin in (0, 1, 2):
            mine = student.decode([i for i, m in zip(ids[:-1], mask[:-1], strict=True) if m == origin])
            theirs = teacher.decode([i for i, m in zip(row["token_ids"], row["mask"], strict=True) if m == origin])
            assert mine == theirs
        assert not set(ids[:-1]) & set(student.control.values()), "control tokens are spelt out"
    _, mask = become(traces[0]["token_ids"], traces[0]["mask"], ended=False)
    assert len(mask) == len(student.encode(teacher.decode(traces[0]["token_ids"])))  # bytes: no merges to lose


def test_a_student_that_cannot_spell_the_text_is_refused(traces):
    class Lossy:
        control: dict[str, int] = {}  # noqa: RUF012

        def encode(self, text):
            return [1] * len(text)

        def decode(self, ids):
            return "?" * len(ids)

    with pytest.raises(FactoryError, match="cannot spell"):
        Retokenizer(HfTokenizer(TEACHER), Lossy(), end=0)(traces[0]["token_ids"], traces[0]["mask"], ended=False)


def test_tokenizers_are_the_same_by_what_they_do_to_text(tmp_path, other):
    state = json.loads((TEACHER / "tokenizer.json").read_text())
    (tmp_path / "spaced.json").write_text(json.dumps(state, indent=4))
    digest = tokenizer_digest(TEACHER / "tokenizer.json")
    assert tokenizer_digest(tmp_path / "spaced.json") == digest
    assert tokenizer_digest(other / "tokenizer.json") != digest
    state["added_tokens"][0]["content"] = "<|other|>"
    (tmp_path / "other.json").write_text(json.dumps(state))
    assert tokenizer_digest(tmp_path / "other.json") != digest
