"""JSON lines: a bad row costs itself, is named by file and line, and the output waits for a sound input."""

from __future__ import annotations

import json

import pytest

from factory.commands import jsonl
from factory.errors import FactoryError


def needs_x(values):
    return jsonl.lacks(values, ("x",))


def test_rows_come_in_order_with_what_is_wrong_with_each(tmp_path):
    path = tmp_path / "rows.jsonl"
    deep = "[" * 100_000
    path.write_bytes(b'{"id": 1, "x": 2}\n\n   \r\n{"id": 3}\n[1]\n{\n\xff\n' + deep.encode() + b'\n{"x": "\\ud800"}')
    rows = list(jsonl.read(str(path), needs_x))
    assert [row.where for row in rows] == [f"{path}:{n}" for n in (1, 4, 5, 6, 7, 8, 9)]
    assert [row.id for row in rows] == [1, 3, None, None, None, None, None]
    assert [row.problem.split(" (")[0] for row in rows] == [
        *("", "no x", "not a JSON object", "not JSON", "not JSON", "not JSON", "")
    ]
    assert [row.error for row in rows[:2]] == ["", f"{path}:4: no x"]
    assert rows[1].values == {"id": 3}


@pytest.mark.parametrize("place", [".", "absent.jsonl"])
def test_a_file_that_cannot_be_read_is_an_error_before_the_first_row_is_asked_for(tmp_path, place):
    with pytest.raises(FactoryError) as caught:
        jsonl.read(str(tmp_path / place), remedy="give JSON lines")
    assert str(tmp_path / place) in caught.value.what
    assert caught.value.remedy == "give JSON lines"


def test_all_that_is_missing_is_named():
    assert jsonl.lacks({"a": None}, ("a",)) == ""
    assert jsonl.lacks({}, ("a", "b")) == "no a and no b"


def test_rows_are_written_to_a_file_or_to_standard_output(tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    jsonl.write(iter([{"a": 1}, {"a": "ü"}]), str(out))
    assert [json.loads(line)["a"] for line in out.read_text().splitlines()] == [1, "ü"]
    jsonl.write(iter([{"a": 1}]), "-")
    assert capsys.readouterr().out == '{"a": 1}\n'
    with pytest.raises(FactoryError, match="cannot write"):
        jsonl.write(iter([]), str(tmp_path / "no" / "where.jsonl"))


def test_the_output_is_left_alone_where_the_first_row_fails(tmp_path):
    def fails():
        raise FactoryError("no rows", remedy="none")
        yield {}

    out = tmp_path / "out.jsonl"
    out.write_text("precious\n")
    with pytest.raises(FactoryError, match="no rows"):
        jsonl.write(fails(), str(out))
    assert out.read_text() == "precious\n"
