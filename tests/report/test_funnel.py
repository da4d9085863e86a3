"""The funnel counts every row once and shows where one is missing."""

from __future__ import annotations

from collections import Counter

from factory.report.funnel import Stage, as_markdown, funnel, render
from factory.store.report import PublishReport

REPORT = PublishReport(
    Counter(
        {
            ("problem", "s", "verdict"): 3,
            ("problem", "s", "problem/decontaminate/contaminated"): 2,
            ("problem", "s", "problem/solve/too_easy"): 4,
            ("problem", "t", "problem/solve/unsolved"): 1,
            ("trace", "low", "python", "s", "16k", "published"): 20,
            ("trace", "low", "python", "s", "16k", "wrong_answer"): 7,
            ("trace", "low", "none", "s", "16k", "problem_too_easy"): 5,
        }
    )
)
READ = Stage(name="read", unit="rows", rows_in=13, rows_out=10, rejects={"duplicate_id": 2, "missing_problem": 1})


def test_each_stage_starts_with_what_the_one_before_let_through():
    stages = {stage.name: stage for stage in funnel(READ, REPORT, shard_rows=20)}
    assert list(stages) == ["read", "decontaminate", "solve", "publish"]
    assert (stages["decontaminate"].rows_in, stages["decontaminate"].rows_out) == (10, 8)
    assert (stages["solve"].rows_in, stages["solve"].rows_out) == (8, 3)
    assert (stages["publish"].rows_in, stages["publish"].rows_out) == (32, 20)
    assert stages["publish"].rejects == {"wrong_answer": 7, "problem_too_easy": 5}
    assert all(stage.missing == 0 for stage in stages.values())


def test_a_lost_row_shows():
    stages = funnel(Stage(name="read", unit="rows", rows_in=13, rows_out=11, rejects={"x": 2}), REPORT, shard_rows=19)
    assert [stage.missing for stage in stages] == [0, 1, 0, 1]
    assert "NO, +1 unaccounted" in render(stages)


def test_both_tables_name_every_reason():
    stages = funnel(READ, REPORT, shard_rows=20)
    for reason in ("duplicate_id", "contaminated", "too_easy", "unsolved", "wrong_answer"):
        assert reason in render(stages)
        assert reason in as_markdown(stages)
    assert "NO" not in render(stages)


def test_threads_and_the_problems_found_in_them_have_stages_of_their_own():
    cells = Counter(
        {
            ("problem", "s", "thread/curate/no_problem"): 2,
            ("problem", "s", "problem/curate/proof"): 3,
            ("problem", "s", "problem/near_duplicates/near_duplicate"): 1,
            ("curated", "s", "threads"): 4,
            ("curated", "s", "found"): 8,
            ("curated", "s", "passed"): 5,
        }
    )
    report = PublishReport(REPORT.cells + cells)  # 10 problems of REPORT + 1 duplicate = 6 of tables + 5 of threads
    read = Stage(name="read", unit="rows", rows_in=13, rows_out=12, rejects={"duplicate_id": 1})
    stages = funnel(read, report, shard_rows=20, threads=6)
    counts = {stage.name: (stage.unit, stage.rows_in, stage.rows_out, stage.rejected) for stage in stages}
    assert list(counts) == ["read", "extract", "curate", "near_duplicates", "decontaminate", "solve", "publish"]
    assert counts["extract"] == ("threads", 6, 4, 2)
    assert counts["curate"] == ("problems", 8, 5, 3)
    assert counts["near_duplicates"] == ("problems", 11, 10, 1)
    assert counts["decontaminate"] == ("problems", 10, 8, 2)
    assert all(stage.missing == 0 for stage in stages)
