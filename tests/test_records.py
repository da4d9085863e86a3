"""What names a row, and what becomes of one that leaves."""

from __future__ import annotations

import json

import pytest

from factory import records as r
from factory.arrow import from_dict

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
