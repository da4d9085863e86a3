from __future__ import annotations

from typing import Any

import pytest

from factory.decontaminate import Checked
from factory.programs.pair_check import PairCheck, pair_check, parse, settle_undecided
from factory.prompts.loader import prompt
from factory.recipe import Decontaminate
from factory.records import Neighbour, Problem

PROBLEM = Problem(id="p", text="Find $x$ with $3x+5=26$.")
OTHER = "A number, tripled and increased by 5, gives 26. Which number is it?"
SIGNALS = {"score": 0.4, "equal": 0.0, "same_language": 1.0, "chars_forward": 0.9, "chars_backward": 0.9}


class Judge:
    """Replies in turn, and keeps what it was asked."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.asked = list(replies), []

    async def ask(self, role: str, name: str, variables: dict[str, Any]) -> str:
        assert role == "judge"
        prompt(name).render(variables)
        self.asked.append((variables["first"], variables["second"]))
        return self.replies.pop(0)


async def test_an_exact_match_needs_no_model():
    judge = Judge()
    assert await pair_check(PROBLEM, "Find \\(x\\) with \\( 3x + 5 = 26 \\).", judge) == PairCheck(True, "identical")
    assert judge.asked == []


async def test_one_order_unless_both_are_asked_for():
    judge = Judge("Same.\nSame problem: No", "Both ask for x.\nSame problem: Yes")
    assert (await pair_check(PROBLEM, OTHER, judge)).same is False
    judge = Judge("Same.\nSame problem: No", "Both ask for x.\nSame problem: Yes")
    found = await pair_check(PROBLEM, OTHER, judge, both_orders=True)
    assert (found.same, found.method, len(found.replies)) == (True, "judge", 2)
    assert judge.asked == [(PROBLEM.text, OTHER), (OTHER, PROBLEM.text)]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("They agree.\nSame problem: Yes", True),
        ("**Same problem: No.**\n", False),
        ("Same problem: Yes\nOn reflection:\nsame problem: no", False),
        ("The same problem: yes or no?", None),
        ("Yes", None),
        ("", None),
    ],
)
def test_the_last_readable_verdict_counts(reply: str, verdict: bool | None):
    assert parse(reply) is verdict


async def test_a_reply_that_cannot_be_read_decides_nothing():
    assert await pair_check(PROBLEM, OTHER, Judge("hm")) == PairCheck(None, "malformed", ("hm",))
    found = await pair_check(PROBLEM, OTHER, Judge("hm", "Same problem: No"), both_orders=True)
    assert found.same is False


async def test_undecided_pairs_are_asked_once_per_text_and_settle_the_problem():
    neighbours = [
        Neighbour(benchmark=name, id="1", cosine=0.9, verdict=verdict, signals=dict(SIGNALS, formula_changes=1.0))
        for name, verdict in (("a", "undecided"), ("b", "undecided"), ("c", "clean"))
    ]
    problem = Problem(id="p", text=PROBLEM.text, neighbours=neighbours)
    checked = Checked(problem, False, 0.4, "variant", "", "a", "1")
    for reply, contaminated in (("Same problem: Yes", True), ("Same problem: No", False), ("?", False)):
        judge = Judge(reply)
        settled = await settle_undecided(checked, lambda benchmark, id: OTHER, judge, Decontaminate())
        assert len(judge.asked) == 1
        assert settled.contaminated is contaminated
    assert [n.verdict for n in settled.problem.neighbours] == ["undecided", "undecided", "clean"]
