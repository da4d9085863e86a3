from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.decontaminate import Embedder

BENCHMARKS = {
    "contest": [
        "Find the number of ordered pairs of integers $(m,n)$ with $1\\le m<n\\le 60$ such that $mn$ is a square.",
        "A circle of radius $13$ touches the sides of triangle $PQR$ with $PQ=45$ and $QR=60$. Find $PR$.",
        "Compute $\\frac{17}{23}+\\frac{40}{46}$ as a common fraction.",
    ],
    "stories": [
        "Nadia buys 14 notebooks at $3 each and 5 pens at $2 each. How many dollars does she spend?",
        "A tank holds 840 liters. A pump empties it at 35 liters per minute. How many minutes does it take?",
        "Of 96 students, three quarters ride a bus and the others walk. How many students walk?",
    ],
}


@pytest.fixture(scope="session")
def embedder():
    """The real model, loaded once."""
    return Embedder()


@pytest.fixture
def benchmark_files(tmp_path: Path) -> list[Path]:
    return [
        write_rows(tmp_path / f"{name}.jsonl", [{"id": f"{name}-{i}", "problem": text} for i, text in enumerate(texts)])
        for name, texts in BENCHMARKS.items()
    ]


def write_rows(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
