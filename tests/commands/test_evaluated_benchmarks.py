"""`factory benchmarks`: what a folder holds of the benchmarks that the project evaluates on, and fetching the rest."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.commands import evaluated_benchmarks
from factory.decontaminate.benchmarks import evaluated
from factory.records import Problem, Reject


@pytest.fixture
def folder(tmp_path):
    """Every evaluated benchmark but the first, one problem each."""
    for number, benchmark in enumerate(evaluated()[1:]):
        row = {"id": 1, "problem": f"What is {number} squared?"}
        (tmp_path / f"{benchmark.file}.jsonl").write_text(json.dumps(row))
    return tmp_path


def test_the_command_lists_what_is_there_and_what_is_not(folder):
    (folder / "math.jsonl").write_text("{broken")
    result = CliRunner().invoke(app, ["benchmarks", str(folder)])
    assert result.exit_code == 1
    lines = {line.split("  ")[0]: line for line in result.output.splitlines()}
    assert "missing; hub: HuggingFaceH4/aime_2024" in lines["AIME 2024"]
    assert "1 problems, but 1,319 are expected" in lines["GSM8K"]
    assert "not JSON" in lines["MATH"]
    assert '{"id": "...", "problem": "..."}' in result.output


def test_what_the_hub_has_is_fetched_whole_or_not_at_all(tmp_path, monkeypatch):
    rows = {
        "aime24": [Problem(id="1", text="What is 1?")],
        "aime25": [Reject(id="2", kind="problem", stage="read", reason="r")],
    }
    monkeypatch.setattr(evaluated_benchmarks.sources, "splits", lambda source: [source])
    monkeypatch.setattr(evaluated_benchmarks.sources, "read", lambda source: iter(rows.get(source.name, [])))
    said: list[str] = []
    evaluated_benchmarks.fetch(str(tmp_path), said.append)
    assert json.loads((tmp_path / "aime24.jsonl").read_text()) == {"id": "1", "problem": "What is 1?"}
    assert not (tmp_path / "aime25.jsonl").exists()
    assert not list(tmp_path.glob("*.part"))
    assert [line for line in said if line.startswith("AIME 2025: MathArena/aime_2025 holds a row that is no problem")]
    assert not (tmp_path / "math.jsonl").exists()
