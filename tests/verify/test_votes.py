"""Votes by equivalence class, and the reference that they settle."""

from __future__ import annotations

from itertools import permutations

import pytest

from factory.verify import Equivalence, cluster, equivalent, is_missing, settle_reference


class Counting:
    """Our own rules, with a count of the comparisons made."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    async def __call__(self, gold: str, prediction: str) -> Equivalence:
        self.pairs.append((gold, prediction))
        return equivalent(gold, prediction)


async def test_spellings_of_one_answer_vote_together():
    votes = await cluster(["3", "\\frac12", "0.5", "1/2", "3", None], Counting())
    assert votes.counts() == {"\\frac12": 3, "3": 2}
    assert votes.winner == "\\frac12"
    assert votes.missing == (5,)
    assert votes.total == 5
    assert votes.share == pytest.approx(0.6)


async def test_a_class_is_named_by_its_usual_spelling():
    votes = await cluster(["0.5", "\\frac{1}{2}", "\\frac{1}{2}"], Counting())
    assert votes.winner == "\\frac{1}{2}"


async def test_string_votes_would_have_picked_another_winner():
    answers = ["7", "7", "1/4", "0.25", "\\frac14"]
    votes = await cluster(answers, Counting())
    assert votes.winner in {"1/4", "0.25", "\\frac14"}
    assert max(set(answers), key=answers.count) == "7"


async def test_ties_go_to_the_class_seen_first():
    votes = await cluster(["2", "3", "3", "2"], Counting())
    assert votes.winner == "2"


@pytest.mark.parametrize("nothing", [None, "", "  ", "no_valid_answer_found", "None"])
async def test_sentinels_are_no_votes(nothing):
    assert is_missing(nothing)
    votes = await cluster([nothing, nothing, "5"], Counting())
    assert votes.winner == "5"
    assert votes.missing == (0, 1)


async def test_no_answers_no_winner():
    votes = await cluster([None, ""], Counting())
    assert votes.winner is None
    assert votes.classes == ()
    assert votes.share == 0.0


async def test_equal_spellings_cost_no_comparison():
    equal = Counting()
    await cluster(["5"] * 8 + ["$5$", "5.", " 5 "], equal)
    assert equal.pairs == []
    await cluster(["5"] * 8 + ["6"] * 8, equal)
    assert len(equal.pairs) == 1


async def test_undecided_pairs_stay_apart_and_are_counted():
    async def unsure(gold: str, prediction: str) -> Equivalence:
        return Equivalence(None, "undecided", "timeout")

    votes = await cluster(["1", "2", "3"], unsure)
    assert [c.count for c in votes.classes] == [1, 1, 1]
    assert votes.undecided == 3


async def test_a_class_names_its_samples():
    votes = await cluster(["1", "2", "1.0", None], Counting())
    assert [c.members for c in votes.classes] == [(0, 2), (1,)]


async def test_the_forum_answer_is_kept_if_one_sample_agrees():
    settled = await settle_reference("1/2", ["7"] * 15 + ["0.5"], Counting())
    assert settled.reference == "1/2"
    assert settled.agreeing == 1
    assert not settled.changed_to_majority
    assert settled.votes.winner == "7"


async def test_the_majority_replaces_a_forum_answer_that_nobody_confirms():
    settled = await settle_reference("9", ["7", "7.0", "8"], Counting())
    assert settled.reference == "7"
    assert settled.original == "9"
    assert settled.changed_to_majority
    assert settled.agreeing == 0


@pytest.mark.parametrize(("share", "replaced"), [(0.0, True), (0.5, True), (0.51, False), (1.0, False)])
async def test_a_majority_below_the_wanted_share_replaces_nothing(share, replaced):
    settled = await settle_reference("9", ["7", "7", "8", "6", None], Counting(), share)
    assert settled.votes.share == 0.5
    assert (settled.reference, settled.changed_to_majority) == (("7", True) if replaced else ("9", False))
    filled = await settle_reference(None, ["7", "7", "8", "6", None], Counting(), share)
    assert filled.reference == ("7" if replaced else None)


@pytest.mark.parametrize("original", [None, "", "no_valid_answer_found"])
async def test_without_a_forum_answer_the_majority_decides(original):
    settled = await settle_reference(original, ["7", "8", "7"], Counting())
    assert settled.reference == "7"
    assert settled.original is None
    assert settled.changed_to_majority


async def test_nobody_answers():
    settled = await settle_reference(None, [None, ""], Counting())
    assert settled.reference is None
    assert not settled.changed_to_majority
    kept = await settle_reference("5", [None, None], Counting())
    assert kept.reference == "5"
    assert not kept.changed_to_majority


async def test_undecided_is_not_agreement():
    async def unsure(gold: str, prediction: str) -> Equivalence:
        return Equivalence(None, "undecided", "timeout")

    settled = await settle_reference("9", ["7", "7"], unsure)
    assert (settled.reference, settled.agreeing) == ("9", 0), "nor is it a disagreement that could replace an answer"
    assert not settled.changed_to_majority


def unsure_about(*doubts: str):
    """Compares numbers; where both are among `doubts`, nobody knows."""

    async def equal(gold: str, prediction: str) -> Equivalence:
        if gold in doubts and prediction in doubts:
            return Equivalence(None, "undecided", "timeout")
        return Equivalence(gold == prediction, "number")

    return equal


@pytest.mark.parametrize(
    ("doubts", "doubtful"),
    [
        ((), False),
        (("2", "3"), True),  # 3 + 2 against 4
        (("1", "2"), False),  # the winner would only grow
        (("3", "4"), False),  # 2 + 1
        (("1", "2", "3"), True),
    ],
)
async def test_a_vote_that_open_comparisons_could_turn_is_in_doubt(doubts, doubtful):
    answers = ["1"] * 4 + ["2"] * 3 + ["3"] * 2 + ["4"]
    votes = await cluster(answers, unsure_about(*doubts))
    assert (votes.winner, votes.doubtful) == ("1", doubtful)
    settled = await settle_reference(None, answers, unsure_about(*doubts))
    assert settled.reference == (None if doubtful else "1")
    kept = await settle_reference("9", answers, unsure_about(*doubts))
    assert kept.reference == ("9" if doubtful else "1")


async def test_every_sample_keeps_its_verdict_on_the_original():
    settled = await settle_reference("1/2", ["0.5", None, "3"], Counting())
    assert [None if v is None else v.equal for v in settled.verdicts] == [True, None, False]


@pytest.mark.parametrize("answers", list(permutations(["10%", "10", "0.1", "1/10"])))
async def test_classes_do_not_depend_on_the_order_of_the_samples(answers):
    votes = await cluster(answers, Counting())
    classes = {frozenset(answers[i] for i in c.members) for c in votes.classes}
    assert classes == {frozenset({"10%", "10"}), frozenset({"0.1", "1/10"})}
    assert votes.conflicts == 1
