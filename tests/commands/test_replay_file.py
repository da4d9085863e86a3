"""Stored traces are read from either form; what is no trace is named with its line."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from factory.arrow import to_dict, to_table
from factory.commands.replay_file import read
from factory.errors import FactoryError
from factory.records import Mode, Origin, Trace

P, G = Origin.PROMPT, Origin.GENERATED


@pytest.fixture
def trace():
    return Trace(
        problem_id="p", mode=Mode.LOW, tool=False, sample=0, uid="u1", token_ids=[1, 2], mask=[P, G], messages=[],
        answer=None, finish_reason="stop", model="m", model_revision="r",
    )  # fmt: skip


def test_parquet_and_json_lines(trace, tmp_path):
    pq.write_table(to_table(Trace, [trace]), tmp_path / "part.parquet")
    (tmp_path / "part.jsonl").write_text(json.dumps(to_dict(trace)) + "\n\n")
    for name in ("part.parquet", "part.jsonl"):
        (found,) = read(str(tmp_path / name))
        assert (found.uid, found.token_ids, found.mask, found.model) == ("u1", [1, 2], [P, G], "m")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "x.jsonl:1 is not a trace"),
        ("[]", "x.jsonl:1 is not a trace"),
        ('{"uid": "u"}', "it has no token_ids"),
    ],
)
def test_what_is_no_trace_is_named_with_its_line(line, message, tmp_path):
    (tmp_path / "x.jsonl").write_text(line)
    with pytest.raises(FactoryError, match=message):
        list(read(str(tmp_path / "x.jsonl")))


def test_missing_files_and_uids(trace, tmp_path):
    with pytest.raises(FactoryError, match="cannot read"):
        list(read(str(tmp_path / "absent.parquet")))
    (tmp_path / "x.parquet").write_text("not parquet")
    with pytest.raises(FactoryError, match="cannot read"):
        list(read(str(tmp_path / "x.parquet")))
    (tmp_path / "x.jsonl").write_text(json.dumps(to_dict(trace)))
    with pytest.raises(FactoryError, match="no trace with the uid u2"):
        list(read(str(tmp_path / "x.jsonl"), "u2"))
