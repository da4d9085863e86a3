"""The sheet to check by hand: fair draws, entries that mean something, rates that weigh strata by their size."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from factory.errors import FactoryError
from factory.inspection import hand_check
from factory.inspection.hand_check import COLUMNS, Stratum, draw, overall, read, score, write
from tests.report.builders import a_run


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return a_run(tmp_path_factory.mktemp("run")).uri


def test_each_stratum_gives_as_many_rows_whatever_its_size(uri):
    rows = draw(uri, each=7)
    assert Counter(row["stratum"] for row in rows) == {"string: yes": 7, "string: no": 7}
    assert len({row["uid"] for row in rows}) == 14
    sizes = {row["stratum"]: int(row["stratum_size"]) for row in rows}
    assert sum(sizes.values()) == 30 * 24
    assert {row["answer"] for row in rows if row["verdict"] == "yes"} == {"7"}
    assert all(row["same"] == "" and set(row) == set(COLUMNS) for row in rows)


def test_a_draw_depends_on_the_seed_alone(uri):
    assert draw(uri, 5) == draw(uri, 5)
    assert draw(uri, 5) != draw(uri, 5, seed=1)


def test_a_sheet_comes_back_and_is_never_written_over(uri, tmp_path):
    path, rows = tmp_path / "sheet.csv", draw(uri, 3)
    write(path, rows)
    assert read(path) == rows
    with pytest.raises(FactoryError, match="already exists"):
        write(path, rows)
    with pytest.raises(FactoryError, match="cannot write"):
        write(tmp_path / "nowhere" / "sheet.csv", rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,b\n1,2\n", "lacks same"), ("same,stratum,stratum_size,verdict\nmaybe,s,3,yes\n", ":2: same is 'maybe'")],
)
def test_a_file_that_is_no_sheet_is_refused(tmp_path, text, said):
    (tmp_path / "sheet.csv").write_text(text)
    with pytest.raises(FactoryError) as caught:
        read(tmp_path / "sheet.csv")
    assert said in str(caught.value)
    with pytest.raises(FactoryError, match="cannot read"):
        read(tmp_path / "absent.csv")


def test_checks_are_held_against_the_verdict():
    def row(stratum: str, verdict: str, same: str) -> dict[str, str]:
        return {"stratum": stratum, "stratum_size": "100", "verdict": verdict, "same": same}

    rows = [row("a", "yes", "yes"), row("a", "yes", "No"), row("a", "yes", ""), row("b", "-", "y"), row("c", "no", "")]
    assert score(rows) == [Stratum("a", 100, 2, 1), Stratum("b", 100, 1, 1), Stratum("c", 100, 0, 0)]
    assert overall([]) == (0.0, 1.0, 0.0)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    chance, hit, rates, sizes = random.Random(3), 0, (0.02, 0.3, 0.1), (9000, 500, 1500)
    truth = sum(rate * size for rate, size in zip(rates, sizes, strict=True)) / sum(sizes)
    for _ in range(400):
        strata = [
            Stratum(str(n), size, 60, sum(chance.random() < rate for _ in range(60)))
            for n, (rate, size) in enumerate(zip(rates, sizes, strict=True))
        ]
        share, half, covered = hand_check.overall(strata)
        assert covered == 1
        hit += abs(share - truth) <= half
    assert hit >= 0.9 * 400
