"""`factory verify`: every line of input has its line of output, in order, whatever it holds."""

from __future__ import annotations

import json

import pytest

from factory.commands.verify_file import verify_file
from factory.errors import FactoryError

LINES = [
    '{"id": 1, "gold": "1/2", "prediction": "so it is \\\\boxed{0.5}"}',
    "not json",
    '{"id": 2, "gold": "5"}',
    "",
    '{"id": 3, "gold": 7, "prediction": 7.0}',
    '{"id": 4, "gold": "5", "prediction": null}',
    '{"id": 5, "gold": "x", "prediction": ["x"]}',
    '["a list"]',
    '{"id": 6, "gold": "3 apples", "prediction": "3 oranges"}',
    '{"id": 7, "gold": "\\\\sqrt{8}", "prediction": "2\\\\sqrt{2}"}',
    '{"id": 8, "gold": "5", "prediction": "' + "9" * 5000 + '"}',
]


async def collect(path, **options):
    return [json.loads(line) async for line in verify_file(str(path), **{"workers": 1, "timeout_s": 5.0, **options})]


async def test_rows_come_back_in_order_with_their_verdict(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes("\n".join(LINES).encode() + b'\n{"id": 9, "gold": "\xff"}\n')
    rows = await collect(path)
    assert [row["id"] for row in rows] == [1, None, 2, 3, 4, 5, None, 6, 7, 8, None]
    by_id = {row["id"]: row for row in rows if row["id"]}
    assert [by_id[k]["equal"] for k in (1, 3, 4, 6, 7, 8)] == [True, True, False, None, True, False]
    assert by_id[1]["extracted"] == "0.5"
    assert {"id", "equal", "method", "extracted", "seconds"} <= by_id[7].keys()
    bad = [row for row in rows if row["method"] == "bad_row"]
    assert len(bad) == 5
    assert f"{path}:2" in bad[0]["detail"]


async def test_more_rows_than_are_held_in_flight_keep_their_order(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(json.dumps({"id": k, "gold": str(k), "prediction": f"{2 * k}/2"}) for k in range(200)))
    rows = await collect(path)
    assert [row["id"] for row in rows] == list(range(200))
    assert all(row["equal"] for row in rows)


async def test_an_empty_file_yields_nothing(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert await collect(path) == []


async def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FactoryError, match="nowhere"):
        await collect(tmp_path / "nowhere.jsonl")
