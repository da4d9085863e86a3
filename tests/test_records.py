"""What names a row, and what becomes of one that leaves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory import records as r
from factory.arrow import from_dict, from_table, to_table

KEY = r.SampleKey(problem_id="p/1", mode=r.Mode.HIGH, tool=True, sample=3)


def test_the_uid_names_key_and_tokens():
    other = r.SampleKey(problem_id="p/1", mode=r.Mode.HIGH, tool=True, sample=4)
    assert r.uid_of(KEY, [1, 2]) == r.uid_of(KEY, [1, 2])
    assert len({r.uid_of(KEY, [1, 2]), r.uid_of(KEY, [12]), r.uid_of(other, [1, 2])}) == 3


@pytest.mark.parametrize(
    "row",
    [
        r.Problem(id="1", text="$\\pi$ \u4e2d", steps={"extract": "raw"}, position="f:1"),
        r.Thread(id="1", source="s", question=r.Post(id="q", text="x"), position="f:2"),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row_that_leaves_is_kept_whole(row):
    reject = r.Reject.of(row, "read", "duplicate_id", "an earlier row has this id")
    assert (reject.id, reject.kind, reject.position) == (row.id, type(row).__name__.lower(), row.position)
    assert (reject.stage, reject.reason, reject.detail) == ("read", "duplicate_id", "an earlier row has this id")
    assert from_dict(type(row), json.loads(reject.row)) == row


# --- text that no UTF-8 can hold

HALF = "a\ud83d"  # as a JSON escape, a file name or a traceback may bring it
MENDED = "a\ufffd"
TRACE = {"problem_id": "p", "mode": r.Mode.LOW, "tool": True, "sample": 0, "token_ids": [1], "mask": [1]}


def test_half_a_surrogate_pair_is_mended_when_a_record_is_made():
    assert r.ToolCall(code=HALF, status="error", stderr=HALF) == r.ToolCall(code=MENDED, status="error", stderr=MENDED)
    assert r.Message(role="tool", content="\ud83d\ude00").content == "\U0001f600", "both halves are a character"
    thread = r.Thread(id="t", source="s", question=r.Post(id="q", text=HALF), tags=["x", HALF])
    assert (thread.question.text, thread.tags) == (MENDED, ["x", MENDED])
    assert r.Problem(id="p", text="x", steps={"extract": HALF}).steps == {"extract": MENDED}
    assert r.Annotation(owner="p", uid="u", name="topic", text=HALF).text == MENDED


@pytest.mark.parametrize(
    "row",
    [
        r.Trace(
            **TRACE,
            messages=[r.Message(role="assistant", content=HALF)],
            answer=HALF,
            finish_reason="stop",
            tool_calls=[r.ToolCall(code=HALF, status="ok", stdout=HALF)],
        ),
        r.ModelReply(owner="p", key="k", text=HALF),
        r.Reject.of(r.Problem(id="p", text=HALF), "read", "no_answer", HALF),
    ],
    ids=lambda row: type(row).__name__,
)
def test_every_row_can_be_stored_and_comes_back_the_same(row):
    assert from_table(type(row), to_table(type(row), [row])) == [row]


@given(text=st.text(alphabet=st.characters(codec=None, categories=None)))
def test_text_that_can_be_stored_is_left_alone(text):
    mended = r.storable_text(text)
    assert mended.encode().decode() == mended
    assert r.storable_text(mended) is mended
