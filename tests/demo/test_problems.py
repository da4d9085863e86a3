"""The demo's input files: what the generator writes, oddities included; a benchmark that overlaps in three places."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from jobs.demo import problems
from jobs.demo.families import FAMILIES

DEMO = Path(problems.__file__).parent


def rows_of(path: Path) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_committed_files_are_the_ones_the_script_writes() -> None:
    for name, option in (("problems", []), ("benchmark", ["--benchmark"])):
        done = subprocess.run(
            [sys.executable, "-m", "jobs.demo.problems", *option], cwd=DEMO.parents[1], capture_output=True, check=True
        )
        assert done.stdout == (DEMO / f"{name}.jsonl").read_bytes()


def test_problems_cover_the_families_and_carry_each_oddity_once() -> None:
    rows = rows_of(DEMO / "problems.jsonl")
    proper = [row for row in rows if row["source"] != "demo/odd"]
    assert {row["source"] for row in proper} == {f"demo/{name}" for name in FAMILIES}
    assert sum(not row.get("problem") for row in rows) == 2
    assert sum("answer" not in row for row in rows) == 1
    assert [n for n in Counter(row["id"] for row in rows).values() if n > 1] == [2]
    assert sum(row.get("answer") == "\\frac{4" for row in rows) == 1


def test_the_benchmark_copies_three_problems() -> None:
    texts = {_letters(row["problem"]) for row in rows_of(DEMO / "problems.jsonl") if row.get("problem")}
    answers = [_letters(row["problem"]) in texts for row in rows_of(DEMO / "benchmark.jsonl")]
    assert sum(answers) == 3


def _letters(text: str | None) -> str:
    """A text without names, spacing and a leading number: what the three copies share with their originals."""
    words = str(text).replace("Problem 7.", "").split()
    return " ".join(
        "NAME" if word.strip(",") in {*problems._NAMES, *problems._NAMES.values()} else word for word in words
    )
