from __future__ import annotations

from typing import Any

import pytest

from factory.programs.pair_check import PairCheck, pair_check, parse
from factory.prompts.loader import prompt
from factory.records import Problem

PROBLEM = Problem(id="p", text="Find $x$ with $3x+5=26$.")
OTHER = "A number, tripled and increased by 5, gives 26. Which number is it?"


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
    assert await pair_check(PROBLEM.text, "find  $x$ with\n$3x+5=26$. ", judge) == PairCheck(True, "identical")
    assert judge.asked == []


async def test_one_order_unless_both_are_asked_for():
    judge = Judge("Same.\nSame problem: No", "Both ask for x.\nSame problem: Yes")
    assert (await pair_check(PROBLEM.text, OTHER, judge)).same is False
    judge = Judge("Same.\nSame problem: No", "Both ask for x.\nSame problem: Yes")
    found = await pair_check(PROBLEM.text, OTHER, judge, both_orders=True)
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
    assert await pair_check(PROBLEM.text, OTHER, Judge("hm")) == PairCheck(None, "malformed", ("hm",))
    found = await pair_check(PROBLEM.text, OTHER, Judge("hm", "Same problem: No"), both_orders=True)
    assert found.same is False
