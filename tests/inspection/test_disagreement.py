"""Where rules, judge and majority disagree, in all and rule by rule."""

from __future__ import annotations

import shutil
from dataclasses import replace

from factory.inspection.disagreement import SampleOpinions, disagreement, of_run
from factory.store.run import Run
from tests.conftest import ROOT
from tests.store.rows import problem, verdict
from tests.store.test_publish import journal, samples
from tests.store.test_run import recipe


def test_disagreement_counts_each_combination():
    report = disagreement(
        [
            SampleOpinions(True, True, True),
            SampleOpinions(True, True, True),
            SampleOpinions(False, True, True),
            SampleOpinions(None, False, None),
        ]
    )
    assert report.total == 4
    assert report.table[True, True, True] == 2
    assert report.between("symbolic", "judge") == (1, 3)
    assert report.between("judge", "majority") == (0, 3)
    assert "symbolic and judge differ on 1 of 3" in report.lines()
    assert disagreement([]).total == 0


def test_disagreement_shows_which_rule_errs():
    report = disagreement(
        [
            SampleOpinions(True, False, None, "points"),
            SampleOpinions(True, True, None, "points"),
            SampleOpinions(None, True, None, "undecided"),
        ]
        + [SampleOpinions(False, True, None, "unit")] * 2
        + [SampleOpinions(True, None, None, "number")]  # the judge did not see it
    )
    assert report.contradicted("unit") == (2, 2)
    assert report.contradicted("points") == (1, 2)
    rows = [line.split() for line in report.lines()[-3:]]
    assert rows == [["unit", "2", "2", "0", "0"], ["points", "2", "1", "0", "0"], ["undecided", "0", "0", "1", "0"]]


def test_a_run_s_own_rules_are_shown(tmp_path):
    run = Run.open(str(tmp_path / "run"), recipe())
    mine = samples("a")
    row = verdict(problem("a"), mine)
    seen = [replace(j, symbolic=True, judge=False, rule="unit") for j in row.judgements]
    journal(run, [*mine, replace(row, judgements=seen)])
    assert of_run(run.uri).contradicted("unit") == (len(seen), len(seen))


def test_a_run_from_before_rules_were_kept_is_still_tabulated(tmp_path):
    """Its parts have no column `rule`."""
    shutil.copytree(ROOT / "tests" / "stored_runs" / "2026-11", tmp_path / "run")
    found = of_run(str(tmp_path / "run"))
    assert found.total > 0
    assert found.by_rule == {}
