"""Pairs, reward groups, verifier rows and selection groups: balance, weights, caps, labels that can be trusted."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from factory.arrow import from_table
from factory.records import Judgement, Verdict
from factory.store.run import Run


@pytest.fixture(scope="module")
def judged(made_run) -> dict[str, Judgement]:
    tables = Run.attach(made_run).reader().counted(Verdict)
    return {j.uid: j for found in tables for verdict in from_table(Verdict, found.table) for j in verdict.judgements}


@pytest.mark.parametrize("negatives", ["both", "rules"])
def test_groups_of_six_have_both_classes_and_sure_labels(exported, judged, negatives):
    done, rows = exported("reward_groups", f"negatives={negatives}")
    assert done.funnel.used == len(rows["reward_groups"]) > 3
    for row in rows["reward_groups"]:
        candidates = row["candidates"]
        labels = [candidate["label"] for candidate in candidates]
        assert len({candidate["uid"] for candidate in candidates}) == 6
        assert sum(labels) == row["k"]
        assert 1 <= row["k"] <= 5
        for candidate in candidates:
            judgement = judged[candidate["uid"]]
            assert judgement.equal is candidate["label"] is judgement.symbolic
            assert judgement.judge in (
                (False,) if negatives == "both" and not candidate["label"] else (None, judgement.equal)
            )
    assert {"one_class", "fewer_than_six"} & done.funnel.left_out.keys()
    assert {row["candidates"][0]["label"] for row in rows["reward_groups"]} == {True, False}  # no label by place


def test_the_weights_of_a_problems_pairs_sum_to_one(exported, judged):
    _, groups = exported("reward_groups", "negatives=rules")
    k_of = {row["problem_id"]: row["k"] for row in groups["reward_groups"]}
    _, rows = exported("pairs", "negatives=rules")
    weights, pairs = defaultdict(float), Counter()
    for row in rows["pairs"]:
        weights[row["problem_id"]] += row["weight"]
        pairs[row["problem_id"]] += 1
        assert judged[row["uid_right"]].equal is True
        assert judged[row["uid_wrong"]].equal is False
        assert row["prompt"][0]["content"] == row["problem"]
        assert row["chosen"] != row["rejected"]
    assert pairs == {problem: k * (6 - k) for problem, k in k_of.items()}
    assert all(weight == pytest.approx(1) for weight in weights.values())
    ranked = exported("pairs", "negatives=rules", "form=nemo_rl")[1]["pairs"]
    assert [[c["rank"] for c in row["completions"]] for row in ranked] == [[0, 1]] * len(rows["pairs"])
    assert [row["completions"][0]["completion"] for row in ranked] == [row["chosen"] for row in rows["pairs"]]


def test_verifier_rows_say_who_decided(exported, judged):
    done, rows = exported("verifier", "negatives=both", "per_class=2", "text=full")
    classes = Counter()
    for row in rows["verifier"]:
        judgement = judged[row["uid"]]
        assert row["right"] is judgement.equal
        assert row["decided_by"] == ("rules+judge" if judgement.judge is not None else "rules")
        assert row["right"] or row["decided_by"] == "rules+judge"
        assert "So it is" in row["solution"]
        assert row["solution"].rstrip().endswith(f"\\boxed{{{row['answer']}}}.")
        classes[row["problem_id"], row["right"]] += 1
    assert max(classes.values()) == 2
    assert {"undecided", "no_answer", "wrong_but_not_by_both", "more_than_per_class"} <= done.funnel.left_out.keys()


def test_selection_groups_keep_to_their_caps(exported):
    done, rows = exported("selection_groups", "negatives=rules")
    per_problem, seen = Counter(), set()
    for row in rows["selection_groups"]:
        candidates, uids = row["candidates"], [candidate["uid"] for candidate in row["candidates"]]
        assert 2 <= len(uids) == len(set(uids)) <= 16
        assert row["right"] == [place for place, candidate in enumerate(candidates) if candidate["right"]]
        assert 0 < len(row["right"]) < len(uids)
        assert all(candidate["text"].count("\\boxed") == 1 for candidate in candidates)
        assert frozenset(uids) not in seen
        seen.add(frozenset(uids))
        per_problem[row["problem_id"]] += 1
    assert max(per_problem.values()) == 8
    assert len(per_problem) == done.funnel.used
    drawn_again = exported("selection_groups", "negatives=rules", "seed=11")[1]["selection_groups"]
    assert drawn_again != rows["selection_groups"]
    assert exported("selection_groups", "negatives=rules", "max_group_chars=1")[0].funnel.used == 0
