"""The judge of close pairs for one problem of a run: what it is asked, and what follows from its answers."""

from __future__ import annotations

from factory.decontaminate import CheckedProblem
from factory.recipe import Decontaminate
from factory.records import Neighbour, Problem
from factory.stages.pair_judge import settle_undecided
from tests.programs.test_pair_check import OTHER, PROBLEM, Judge

SIGNALS = {"score": 0.4, "equal": 0.0, "same_language": 1.0, "chars_forward": 0.9, "chars_backward": 0.9}


async def test_undecided_pairs_are_asked_once_per_text_and_settle_the_problem():
    neighbours = [
        Neighbour(benchmark=name, id="1", cosine=0.9, verdict=verdict, signals=dict(SIGNALS, meaning_changes=1.0))
        for name, verdict in (("a", "undecided"), ("b", "undecided"), ("c", "clean"))
    ]
    problem = Problem(id="p", text=PROBLEM.text, neighbours=neighbours)
    checked = CheckedProblem(problem, False, 0.4, "variant", "", "a", "1")
    for reply, contaminated in (("Same problem: Yes", True), ("Same problem: No", False), ("?", False)):
        judge = Judge(reply)
        settled = await settle_undecided(checked, lambda benchmark, id: OTHER, judge, Decontaminate())
        assert len(judge.asked) == 1
        assert settled.contaminated is contaminated
    assert [n.verdict for n in settled.problem.neighbours] == ["undecided", "undecided", "clean"]
