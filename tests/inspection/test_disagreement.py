"""Where rules, judge and majority disagree, in all and rule by rule."""

from __future__ import annotations

from factory.inspection.disagreement import Views, disagreement


def test_disagreement_counts_each_combination():
    report = disagreement(
        [Views(True, True, True), Views(True, True, True), Views(False, True, True), Views(None, False, None)]
    )
    assert report.total == 4
    assert report.table[True, True, True] == 2
    assert report.between("symbolic", "judge") == (1, 3)
    assert report.between("judge", "majority") == (0, 3)
    assert "symbolic and judge differ on 1 of 3" in report.lines()
    assert disagreement([]).total == 0


def test_disagreement_shows_which_rule_errs():
    report = disagreement(
        [Views(True, False, None, "points"), Views(True, True, None, "points"), Views(None, True, None, "undecided")]
        + [Views(False, True, None, "unit")] * 2
        + [Views(True, None, None, "number")]  # the judge did not see it
    )
    assert report.contradicted("unit") == (2, 2)
    assert report.contradicted("points") == (1, 2)
    rows = [line.split() for line in report.lines()[-3:]]
    assert rows == [["unit", "2", "2", "0", "0"], ["points", "2", "1", "0", "0"], ["undecided", "0", "0", "1", "0"]]
