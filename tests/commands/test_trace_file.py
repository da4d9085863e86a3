"""`factory trace parse`: one line out for every line in, bad ones included."""

from __future__ import annotations

import json
import sys

import pytest

from factory import cli
from factory.commands.trace_file import parse_file
from factory.errors import FactoryError
from factory.records import FunctionCall

HARMONY = (
    "<|start|>user<|message|>2 + 2? Put it in \\boxed{}.<|end|>"
    "<|start|>assistant<|channel|>analysis to=python code<|message|>print(2 + 2)<|call|>"
    "<|start|>python to=assistant<|channel|>analysis<|message|>4\n<|end|>"
    "<|start|>assistant<|channel|>analysis<|message|>So \\boxed{4}."
)


def parse(tmp_path, rows, dialect="harmony"):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return [json.loads(line) for line in parse_file(str(path), dialect)]


def test_a_harmony_row(tmp_path):
    (row,) = parse(tmp_path, [{"id": "a", "harmony_text": HARMONY}])
    assert row["messages"] == [
        {"role": "user", "content": "2 + 2? Put it in \\boxed{}."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "stateful_python_code_exec", "arguments": '{"code": "print(2 + 2)"}'},
                }
            ],
        },
        {"role": "tool", "content": "4\n", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "", "reasoning_content": "So \\boxed{4}."},
    ]
    assert (row["n_python_calls"], row["n_tool_outputs"]) == (1, 1)
    assert (row["final_answer"], row["truncated"], row["roundtrip"]) == ("4", True, True)


def test_the_final_text_goes_before_the_thought_and_the_prompt_never_counts(tmp_path):
    head = "<|start|>user<|message|>\\boxed{0}<|end|><|start|>assistant<|channel|>analysis<|message|>\\boxed{1}"
    rows = parse(
        tmp_path,
        [
            {"id": "final", "text": head + "<|end|><|start|>assistant<|channel|>final<|message|>\\boxed{2}<|return|>"},
            {"id": "no box", "text": head + "<|end|><|start|>assistant<|channel|>final<|message|>Done.<|return|>"},
            {"id": "none", "text": "<|start|>user<|message|>\\boxed{0}<|end|><|start|>assistant"},
        ],
    )
    assert [row["final_answer"] for row in rows] == ["2", "1", None]


def test_bad_rows_are_answered_with_file_and_line(tmp_path):
    rows = parse(tmp_path, ["{", "[1]", {"id": "x"}, {"id": "y", "text": 3}, "", {"id": "z", "text": ""}])
    assert [row["id"] for row in rows] == [None, None, "x", "y", "z"]
    assert [f":{n}: " in row["error"] for n, row in enumerate(rows[:4], start=1)] == [True] * 4
    assert (rows[4]["messages"], rows[4]["roundtrip"]) == ([], True)


def test_text_that_no_utf8_can_hold_is_data(tmp_path):
    (row,) = parse(tmp_path, ['{"id": "s", "text": "<|start|>assistant<|channel|>final<|message|>\\ud800<|return|>"}'])
    assert row["roundtrip"]


@pytest.mark.parametrize(("path", "dialect"), [("missing.jsonl", "harmony"), (".", "harmony"), ("x", "chatty")])
def test_what_a_user_can_mend_is_said(path, dialect):
    with pytest.raises(FactoryError):
        list(parse_file(path, dialect))


def test_the_command(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"id": "t", "text": "```python\nx\n```\n```output\n1\n```\n\\boxed{1}"}))
    monkeypatch.setattr(sys, "argv", ["factory", "trace", "parse", "--dialect", "fenced", str(path)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    row = json.loads(capsys.readouterr().out)
    assert exit_.value.code == 0
    assert (row["n_python_calls"], row["n_tool_outputs"], row["final_answer"]) == (1, 1, "1")


# --- real transcripts


def test_real_harmony_transcripts(shared_data):
    path = shared_data("traces_gptoss120b_harmony_tir.jsonl")
    sources = [json.loads(line) for line in path.open()]
    rows = [json.loads(line) for line in parse_file(str(path), "harmony")]
    assert [row["id"] for row in rows] == [source["id"] for source in sources]
    for row, source in zip(rows, sources, strict=True):
        assert row["roundtrip"], row["id"]
        assert (row["n_python_calls"], row["n_tool_outputs"]) == (source["n_python_calls"], source["n_tool_outputs"])
    right = sum(row["final_answer"] == s["predicted_answer"] for row, s in zip(rows, sources, strict=True))
    assert right >= 0.95 * len(rows)


def test_reference_renderings_render_back(shared_data):
    path = shared_data("harmony_reference_renderings.jsonl")
    assert all(json.loads(line)["roundtrip"] for line in parse_file(str(path), "harmony"))


def test_mathcoder_segments(shared_data):
    path = shared_data("traces_mathcoder_math_tir_segments.jsonl")
    sources = [json.loads(line) for line in path.open()]
    for line, source in zip(parse_file(str(path), "fenced"), sources, strict=True):
        row = json.loads(line)
        code = [part["content"] for part in source["segments"] if part["role"] == "code"]
        outputs = [part["content"] for part in source["segments"] if part["role"] == "execution"]
        assert row["n_python_calls"] == len(code) == source["n_code"]
        assert row["n_tool_outputs"] == len(outputs)
        calls = [FunctionCall(**call["function"]) for m in row["messages"] for call in m.get("tool_calls", [])]
        assert [json.loads(c.arguments)["code"].rstrip("\n") for c in calls] == [c.rstrip("\n") for c in code]
        assert row["roundtrip"]
        assert not row["truncated"]


def test_tora_rows(shared_data):
    path = shared_data("traces_tora70b_gsm8k_tir.jsonl")
    sources = [json.loads(line) for line in path.open()]
    for line, source in zip(parse_file(str(path), "fenced"), sources, strict=True):
        row = json.loads(line)
        assert (row["n_python_calls"], row["n_tool_outputs"]) == (source["n_python_blocks"], source["n_output_blocks"])
