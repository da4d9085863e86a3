"""Every row kind survives the way through Arrow and Parquet unchanged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory import arrow
from factory import records as r

KEY = {"problem_id": "p/1", "mode": r.Mode.HIGH, "tool": True, "sample": 3}
PROBLEM = r.Problem(
    id="p/1",
    text="What is $2 \\cdot 3$? \u00e9\u4e2d\U0001f600",
    answer=None,
    source="s",
    attribution=r.Attribution(license="CC BY-SA 4.0", url="u"),
    neighbours=[r.Neighbour(benchmark="b", id="1", cosine=0.5, verdict="kept", signals={"ngram": 0.25})],
    steps={"extract": "raw"},
    position="f:1",
)
TRACE = r.Trace(
    **KEY,
    uid="u",
    token_ids=[1, 2, 200_000],
    mask=[r.Origin.PROMPT, r.Origin.GENERATED, r.Origin.TOOL],
    messages=[
        r.Message(role="user", content="q"),
        r.Message(
            role="assistant",
            reasoning_content="hm",
            tool_calls=[r.MessageToolCall(id="1", function=r.FunctionCall(name="python", arguments="{}"))],
        ),
        r.Message(role="tool", content="6", tool_call_id="1"),
    ],
    answer="6",
    finish_reason="stop",
    tool_calls=[r.ToolCall(code="2*3", status="ok", stdout="6", seconds=0.1)],
    seed=2**40,
)
VERDICT = r.Verdict(
    problem=PROBLEM,
    reference="6",
    original_reference=None,
    changed_to_majority=True,
    votes={"6": 2},
    regimes=[r.Regime(mode=r.Mode.HIGH, tool=True, count=2, passed=1)],
    judgements=[
        r.Judgement(mode=r.Mode.HIGH, tool=True, sample=3, uid="u", answer="6", equal=None, method="undecided")
    ],
    difficulty=0.25,
)
THREAD = r.Thread(
    id="t", source="s", question=r.Post(id="q", text="x", comments=["c"]), answers=[r.Post(id="a", text="y")]
)
REJECT = r.Reject(id="p/1", kind="problem", stage="read", reason="missing_problem")


@pytest.mark.parametrize("row", [PROBLEM, TRACE, VERDICT, THREAD, REJECT], ids=lambda row: type(row).__name__)
def test_round_trip_through_parquet(row, tmp_path):
    kind = type(row)
    pq.write_table(arrow.to_table(kind, [row, row]), tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.schema.equals(arrow.schema(kind), check_metadata=False)
    assert table.schema.metadata[b"kind"] == kind.__name__.encode()
    assert arrow.from_table(kind, table) == [row, row]


@pytest.mark.parametrize("kind", [r.Problem, r.Trace, r.Verdict, r.Thread, r.Reject])
def test_no_rows_still_have_a_schema(kind):
    assert arrow.to_table(kind, []).schema == arrow.schema(kind)


def test_columns_that_an_older_file_lacks_take_their_default():
    old = arrow.to_table(r.Trace, [TRACE]).drop_columns(["n_regenerated_tokens"])
    assert arrow.from_table(r.Trace, old)[0].n_regenerated_tokens == 0


def test_columns_of_a_newer_file_are_ignored():
    newer = arrow.to_table(r.Reject, [REJECT]).append_column("later", pa.array([1]))
    assert arrow.from_table(r.Reject, newer) == [REJECT]
