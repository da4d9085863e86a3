from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.commands import jsonl
from factory.commands.decontaminate_file import answers as answer
from factory.errors import FactoryError
from factory.report.decontamination import DecontaminationReport
from tests.decontaminate.conftest import BENCHMARKS, write_rows

STORY = BENCHMARKS["stories"][0]


@pytest.fixture(autouse=True)
def one_model(monkeypatch, embedder):
    model = embedder._load()
    monkeypatch.setattr("factory.decontaminate.embedder._load_model", lambda path, config: model)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_problems_against_benchmarks_as_a_user_types_it(tmp_path, benchmark_files):
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": 1, "problem": STORY}, {"id": "b", "problem": "What is a prime?"}, {"id": "c", "problem": 5}]
    text = [json.dumps(row) for row in rows]
    problems.write_text("\n".join([text[0], "{broken", text[1], "", text[2], '{"problem": "no id"}']), encoding="utf-8")
    out, report = tmp_path / "out.jsonl", tmp_path / "report"
    arguments = ["decontaminate", "--problems", problems, "--benchmarks", *benchmark_files, "--out", out]
    result = CliRunner().invoke(app, [str(a) for a in (*arguments, "--report", report)])
    assert result.exit_code == 0, result.output
    answers = lines(out)
    assert [(a["id"], a["contaminated"]) for a in answers] == [
        (1, True), (None, None), ("b", False), ("c", None), (None, None),
    ]  # fmt: skip
    nearest = answers[0]["nearest"][0]
    assert (nearest["benchmark"], nearest["id"], nearest["verdict"]) == ("stories", "stories-0", "contaminated")
    assert {"cosine", "ngram"} <= nearest.keys()
    assert answers[1]["error"].startswith(f"{problems}:2: not JSON")
    assert answers[3]["error"] == f"{problems}:5: problem is not text"
    assert json.loads((report / "report.json").read_text())["removed"] == 1


def test_pairs_in_order_with_bad_rows_in_their_places(tmp_path):
    pairs = write_rows(
        tmp_path / "pairs.jsonl",
        [
            {"train_problem": STORY, "benchmark_problem": STORY},
            {"train_problem": STORY},
            {"train_problem": "What is a prime?", "benchmark_problem": STORY},
            ["not", "an", "object"],
        ],
    )
    out = tmp_path / "out.jsonl"
    jsonl.write(answer(pairs=str(pairs)), str(out))
    answers = lines(out)
    assert [a["contaminated"] for a in answers] == [True, None, False, None]
    assert answers[0]["score"] == 1.0
    assert answers[0]["signals"]["equal"] == 1.0
    assert answers[1]["error"] == f"{pairs}:2: no benchmark_problem"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "takes either"),
        ({"problems": "p.jsonl"}, "takes either"),
        ({"pairs": "absent.jsonl"}, "cannot read absent.jsonl"),
        ({"problems": "absent.jsonl", "benchmarks": ["b.jsonl"]}, "cannot read absent.jsonl"),
        ({"pairs": "p.jsonl", "overrides": ["treshold=0.4"]}, "threshold"),
    ],
)
def test_what_does_not_fit_is_explained(options: dict, said: str):
    with pytest.raises(FactoryError, match=said):
        list(answer(**options))


def test_the_output_is_left_alone_where_the_input_cannot_be_read(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("precious\n")
    with pytest.raises(FactoryError):
        jsonl.write(answer(pairs=str(tmp_path / "absent.jsonl")), str(out))
    assert out.read_text() == "precious\n"


def test_the_report_counts_each_benchmark_and_shows_the_pairs(tmp_path, benchmark_files):
    copy = write_rows(tmp_path / "aime24.jsonl", [{"id": "x", "problem": STORY.upper()}])
    rows = [
        {"id": "copy", "problem": STORY},
        {"id": "<b>variant</b>", "problem": STORY.replace("14", "23")},
        {"id": "other", "problem": "Is <script>alert(1)</script> a tree?"},
    ]
    report = DecontaminationReport()
    problems = write_rows(tmp_path / "problems.jsonl", rows)
    paths = [str(path) for path in (*benchmark_files, copy)]
    assert len(list(answer(problems=str(problems), benchmarks=paths, observe=report.add))) == 3
    values = report.as_dict()
    assert (values["problems"], values["removed"], values["with_undecided_pairs"]) == (3, 1, 1)
    for name in ("stories", "aime24"):
        assert values["benchmarks"][name]["training_problems_removed"] == 1
        assert values["benchmarks"][name]["by_rule"] == {"identical": 1}
    assert values["benchmarks"]["contest"]["problems_found_in_training"] == 0
    assert "AIME 2024" not in values["evaluated_on_but_not_compared"]
    assert [pair["id"] for pair in values["farthest_removed"]] == ["copy"]
    assert values["closest_kept"][0]["id"] == "<b>variant</b>"
    curve = values["threshold_curve"]
    assert (curve[0]["removed"], curve[0]["agreed"]) == (3, 1)
    assert all(a["removed"] >= b["removed"] >= b["agreed"] for a, b in pairwise(curve))
    report.write(tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;variant&lt;/b&gt;" in html
    assert "<script" not in html
    assert "http" not in html
    assert "<svg" in html
