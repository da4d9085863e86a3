"""Importing released datasets: rows become a run's or rejects with their reason, and killed it goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory import ingest
from factory.arrow import from_table
from factory.cli import app
from factory.errors import FactoryError
from factory.recipe import Import
from factory.records import Origin, Reject
from factory.runs import imported, of_run
from factory.runs.imported import ImportRun
from factory.store.manifest import latest, load
from factory.store.publish import in_process, publish
from factory.store.run import Run
from factory.store.tables import read_table
from tests.conftest import ROOT

TOKENIZER = str(ROOT / "jobs" / "demo" / "teacher")
REGIMES = [f"reason_{mode}_{tool}" for mode in ("low", "medium", "high") for tool in ("with_tool", "no_tool")]
PASSED = {"low": 3, "medium": 5, "high": 7}


def released(n: int, k: int, *, tool: bool = False, **other) -> dict:
    """A row of Nemotron-Math-v2: problem n, its sample k."""
    arguments = json.dumps({"code": f"print(2 * {n})"})
    call = {"id": "c", "type": "function", "function": {"name": "stateful_python_code_exec", "arguments": arguments}}
    messages = [{"role": "user", "content": f"What is 2*{n}? Box it."}]
    if tool:
        messages.append({"role": "assistant", "content": "", "reasoning_content": f"Try {k}.", "tool_calls": [call]})
        messages.append({"role": "tool", "content": f"{2 * n}\n" if k else "", "tool_call_id": "c"})
    messages.append({"role": "assistant", "content": f"\\boxed{{{2 * n}}}", "reasoning_content": f"Thus {k}."})
    return {
        "problem": f"What is 2*{n}?",
        "expected_answer": str(2 * n),
        "original_expected_answer": "0" if n % 2 else str(2 * n),
        "changed_answer_to_majority": bool(n % 2),
        "data_source": "aops",
        "messages": messages,
        "tools": [{"type": "function", "function": {"name": "stateful_python_code_exec"}}] if tool else [],
        "metadata": {name: {"count": 8, "pass": PASSED[name.split("_")[1]], "accuracy": 0.5} for name in REGIMES},
        "license": "CC BY 4.0",
        "used_in": [],
        "uuid": f"{n}-{k}-{tool}",
        "url": "https://forum.example/1",
        "user_url": None,
        "user_name": "ann",
    } | other


def write_release(folder: Path) -> int:
    """Both kinds of files of the release, and rows that are none; how many rows there are."""
    rows = [released(n, k, tool=tool) for n in range(8) for tool in (True, False) for k in (0, 1)]
    odd = [
        released(3, 1),  # the same conversation again
        released(3, 2, messages=[{"role": "user", "content": "Hello"}]),
        released(3, 3, messages=None),
        released(3, 4, expected_answer=None),
        released(3, 5, messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "I give up."}]),
        {"expected_answer": "4"},
    ]
    (folder / "data").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in [*rows, *odd])
    (folder / "data" / "high.part_00.jsonl").write_text(text + "{not json\n")
    low = [released(n, 9, user_name="ann", url="https://forum.example/1", user_url="https://u") for n in range(8)]
    for row in low:
        del row["original_expected_answer"]
    pq.write_table(pa.Table.from_pylist(low), folder / "data" / "low-00000.parquet", row_group_size=3)
    return len(rows) + len(odd) + 1 + len(low)


def recipe(path: Path, **more) -> Import:
    return Import.model_validate(
        {"name": "released", "source": {"path": str(path)}, "teacher": {"model": TOKENIZER}} | more
    )


def read_in(place: Path, given: Import, mapper=in_process) -> Run:
    kind = ImportRun()
    run = Run.open(str(place), given)
    kind.check(given, run.store)
    inputs = ingest.load(run.store) or kind.read_inputs(run, given, mapper)
    manifest = publish(run, given.publish, kind.view, card=lambda m: kind.card(run, m, kind.funnel(inputs, m)))
    ingest.publish_rejects(run.store, inputs)
    assert all(stage.missing == 0 for stage in kind.funnel(inputs, manifest))
    return run


def published(run: Run) -> list[dict]:
    return [row for file in load(run.uri) for row in pq.ParquetFile(file).read().to_pylist()]


def rejected(run: Run) -> list[Reject]:
    keys = [entry.key for entry in run.store.list("rejects/read-")]
    return [row for key in keys for row in from_table(Reject, read_table(run.store, key))]


def test_every_row_becomes_a_trace_or_a_reject_with_its_reason(tmp_path):
    n_rows = write_release(tmp_path)
    run = read_in(tmp_path / "run", recipe(tmp_path / "data"))
    rows, rejects = published(run), rejected(run)
    assert len(rows) + len(rejects) == n_rows
    assert Counter(reject.reason for reject in rejects) == {
        "duplicate": 1,
        "cannot_be_written": 1,
        "no_messages": 1,
        "no_reference": 1,
        "no_answer": 1,
        "missing_problem": 1,
        "unreadable_row": 1,
    }
    assert all(reject.position for reject in rejects)
    assert Counter((row["reasoning_mode"], row["with_tool"]) for row in rows) == {
        ("high", True): 16,
        ("high", False): 16,
        ("low", False): 8,
    }
    assert of_run(run).recipe is Import


def test_an_imported_row_says_what_the_release_said_and_is_marked(tmp_path):
    write_release(tmp_path)
    run = read_in(tmp_path / "run", recipe(tmp_path / "data"))
    row = next(r for r in published(run) if r["problem"] == "What is 2*3?" and r["with_tool"])
    assert (row["expected_answer"], row["original_expected_answer"], row["reference_change"]) == ("6", "0", "replaced")
    assert (row["verified_by"], row["engine"], row["model"]) == (
        "imported",
        "import:nemotron_math",
        "openai/gpt-oss-120b",
    )
    assert (row["license"], row["user_name"], row["predicted_answer"]) == ("CC BY 4.0", "ann", "6")
    assert row["metadata"]["reason_low_no_tool"] == {"count": 8, "pass": 3, "accuracy": 3 / 8}
    assert row["difficulty"] == 3 / 8
    told = [(m["role"], m["reasoning_content"], m["content"]) for m in row["messages"]]
    assert told[0] == ("user", None, "What is 2*3? Box it.")
    assert told[-1][0::2] == ("assistant", r"\boxed{6}")
    assert json.loads(row["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"code": "print(2 * 3)"}
    assert {Origin.PROMPT, Origin.GENERATED, Origin.TOOL} == set(row["mask"])


def test_killed_in_the_middle_it_goes_on_and_publishes_the_same_bytes(tmp_path, monkeypatch):
    write_release(tmp_path)
    monkeypatch.setattr(imported, "RANGE_BYTES", 10_000)
    given = recipe(tmp_path / "data")
    whole = read_in(tmp_path / "whole", given)
    assert len(list(whole.store.list("inputs/ranges/"))) > 3

    def dying(function, tasks):
        for number, task in enumerate(tasks):
            if number == 2:
                raise KeyboardInterrupt
            yield function(task)

    for _ in range(2):  # once among the splits or ranges, then further on
        with pytest.raises(KeyboardInterrupt):
            read_in(tmp_path / "killed", given, dying)
    killed = read_in(tmp_path / "killed", given)
    manifests = [latest(run.store) for run in (whole, killed)]
    assert manifests[0].shards == manifests[1].shards
    assert Counter(map(str, rejected(whole))) == Counter(map(str, rejected(killed)))


OMR = {
    "expected_answer": "6",
    "problem_type": "has_answer_extracted",
    "problem_source": "aops_c6",
    "generation_model": "QwQ-32B",
    "pass_rate_72b_tir": "0.25",
    "problem": "What is 2*3?",
    "generated_solution": "<think>\nTwice three.\n</think>\n\nIt is \\boxed{6}.",
    "inference_mode": "cot",
    "used_in_kaggle": True,
}
TIR = "Compute.\n<tool_call>\nprint(2*3)\n</tool_call>\n```output\n6\n```\nSo \\boxed{6}."


@pytest.mark.parametrize("dialect", ["harmony", "fenced"])
def test_open_math_reasoning(tmp_path, dialect):
    rows = [
        OMR,
        OMR | {"generated_solution": TIR, "inference_mode": "tir", "problem_type": "no_answer_extracted"},
        OMR | {"inference_mode": "genselect"},
        OMR | {"generated_solution": None},
    ]
    (tmp_path / "cot.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = {"layout": "open_math_reasoning", "mode": "high", "teacher": {"model": TOKENIZER, "dialect": dialect}}
    run = read_in(tmp_path / "run", recipe(tmp_path / "cot.jsonl", **told))
    assert Counter(reject.reason for reject in rejected(run)) == {"not_a_solution": 1, "no_solution": 1}
    cot, tir = sorted(published(run), key=lambda row: row["with_tool"])
    assert (cot["model"], cot["annotation_pass_rate_72b_tir"]["value"]) == ("QwQ-32B", 0.25)
    assert "Twice three." in (cot["messages"][-1]["reasoning_content"] or cot["messages"][-1]["content"])
    assert [m["role"] for m in tir["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert tir["messages"][2]["content"].strip() == "6"
    assert {row["predicted_answer"] for row in (cot, tir)} == {"6"}


def test_mistakes_are_told_before_anything_is_read(tmp_path):
    write_release(tmp_path)
    with pytest.raises(FactoryError, match="no dialect named"):
        read_in(tmp_path / "a", recipe(tmp_path / "data", teacher={"model": TOKENIZER, "dialect": "harmny"}))
    with pytest.raises(FactoryError, match="nothing to read"):
        read_in(tmp_path / "b", recipe(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="give `mode`"):
        recipe(tmp_path, layout="open_math_reasoning")


def test_the_command(tmp_path):
    n_rows = write_release(tmp_path)
    words = ["import", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--tokenizer", TOKENIZER]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert f"{n_rows}" in done.output
    assert "NO," not in done.output
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "run"), "--cells", "0"]).output.endswith("sound\n")
