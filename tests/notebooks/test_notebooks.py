"""The notebooks run from top to bottom over a published run, and show what they promise."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

from factory.inspection import hand_check
from factory.store.publish import publish
from tests.conftest import ROOT
from tests.report.builders import a_run
from tests.store.test_publish import SETTINGS, VIEW

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    run = a_run(tmp_path_factory.mktemp("run"))
    publish(run, SETTINGS, VIEW)
    return run.uri


def executed(path: Path, monkeypatch, **environment: str) -> Any:
    """The notebook after a run in a kernel of its own, which sees these variables. Raises where a cell does."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()


def shown(notebook: Any) -> tuple[str, int]:
    """All printed and displayed text, and the number of pictures."""
    text, pictures = [], 0
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
            pictures += data.get("text/html", "").count("<svg")
    return "\n".join(text), pictures


def test_each_source_is_a_notebook_that_jupytext_writes_back_as_it_is():
    assert [path.stem for path in NOTEBOOKS] == ["audit_verdicts", "explore", "plan"]
    for path in NOTEBOOKS:
        notebook = jupytext.read(path)
        assert [cell.cell_type for cell in notebook.cells].count("markdown") >= 5
        again = jupytext.reads(jupytext.writes(notebook, fmt="py:percent"), fmt="py:percent")
        assert [cell.source for cell in again.cells] == [cell.source for cell in notebook.cells]


def test_explore(run, monkeypatch):
    text, pictures = shown(executed(ROOT / "notebooks" / "explore.py", monkeypatch, RUN=run))
    assert "decontaminate (problems)" in text
    assert "CC BY-SA 4.0" in text
    assert "standard error" in text
    assert pictures >= 14


def test_audit_verdicts_before_and_after_the_sheet_is_filled_in(run, monkeypatch, tmp_path):
    path, sheet = ROOT / "notebooks" / "audit_verdicts.py", tmp_path / "sheet.csv"
    text, pictures = shown(executed(path, monkeypatch, RUN=run, SHEET=str(sheet)))
    assert "nothing is checked yet" in text
    assert pictures == 1
    rows = hand_check.read(sheet)
    for row in rows:
        row["same"] = row["verdict"]
    rows[0]["same"] = "no" if rows[0]["verdict"] == "yes" else "yes"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, hand_check.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    text, _ = shown(executed(path, monkeypatch, RUN=run, SHEET=str(sheet)))
    assert "of the verdicts are wrong" in text
    assert "hold 100% of all" in text


def test_plan(run, monkeypatch):
    text, pictures = shown(executed(ROOT / "notebooks" / "plan.py", monkeypatch, RUN=run))
    assert "plan for nemotron" in text
    assert "price at 64 GPUs" in text
    assert "accepted" in text
    assert pictures == 2
