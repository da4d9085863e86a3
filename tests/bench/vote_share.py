"""How many published references are right when only a vote of some share may settle one, on runs of the demo.

    python jobs/build_dataset.py --recipe jobs/recipes/demo.yaml --out out/demo
    python tests/bench/vote_share.py out/demo [MORE_RUNS] [--shares 0 0.3 0.5]

The demo's exercises have known answers: those of its table, and those of its forum, whatever the replies say. The
stored answers of each run are judged again under each share, without a judge model. A published problem is counted
where its text is that of an exercise. Intervals are Wilson's, at 95 %; a problem is one trial, as its traces share a
reference.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.arrow import from_table
from factory.programs.answered import AnsweredProblem
from factory.programs.rejudge import REJUDGE, rejudge
from factory.recipe import Rejudge, Solve, Source, Verify
from factory.records import Reject
from factory.runs.derived import DerivedRun
from factory.store.fs import Store
from factory.store.publish import in_process
from factory.store.run import Run
from factory.store.tables import read_table
from factory.verify import Checker, Equivalence
from jobs.demo.forum import threads
from jobs.demo.forum.discussion import Discussion, discussion
from jobs.demo.forum.posed import Posed
from jobs.demo.forum.write import SEED, forum
from jobs.demo.problems import proper


class Rules:
    """A context that compares by rules alone."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        return await self._checker.equal(gold, prediction)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("runs", nargs="+", help="finished runs of the demo's recipe")
    options.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.3, 0.5])
    options.add_argument("--forum-seeds", type=int, nargs="+", default=[SEED], help="the forums that the runs read")
    given = options.parse_args()
    answers = known_answers(given.forum_seeds)
    problems = [row for uri in given.runs for row in stored_answers(uri)]
    samples = Run.attach(given.runs[0]).recipe["solve"]["samples"]
    print(f"{len(problems)} problems that were solved, {2 * samples} votes each at most")
    for share in given.shares:
        show(share, asyncio.run(judged_again(problems, answers, samples, share)))


def known_answers(seeds: list[int]) -> dict[str, str]:
    """The answer of every exercise of the demo's table and forums, by its text without spaces and signs."""
    answers: dict[str, str] = {}

    def noting(rng: random.Random, site: threads.Site, problems: list[Posed], labels: list[str]) -> Discussion:
        answers.update({plain(one.text): one.answer for one in problems if one.answer is not None})
        return discussion(rng, site, problems, labels)

    with mock.patch.object(threads, "discussion", noting):
        for seed in seeds:
            forum(seed)
    for row in proper(60, 7):
        answers[plain(str(row["problem"]))] = str(row["answer"])
    return answers


def plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def stored_answers(uri: str) -> list[AnsweredProblem]:
    """The problems of a run that were solved or given up, each with all of its answers, as a rejudge reads them."""
    kind = DerivedRun(Rejudge, REJUDGE)
    with tempfile.TemporaryDirectory() as place:
        recipe = kind.resolve(Rejudge(name="vote share", source=Source(kind="run", path=uri)), Store.open(place))
        run = Run.open(place, recipe)
        parts = kind.read_inputs(run, recipe, in_process).parts_of(AnsweredProblem)
        return [row for key in parts for row in from_table(AnsweredProblem, read_table(run.store, key))]


async def judged_again(
    problems: list[AnsweredProblem], answers: dict[str, str], samples: int, share: float
) -> list[tuple[str, bool | None, int]]:
    """For each problem: what became of its reference or why it left, whether the reference is right (None if the
    exercise is not known), and how many traces it publishes."""
    found = []
    settings = Solve(samples=samples, min_vote_share=share)
    async with Checker(workers=1) as checker:
        for row in problems:
            ending = await rejudge(row, Rules(checker), settings, Verify())
            if isinstance(ending, Reject):
                found.append((ending.reason, None, 0))
                continue
            known = answers.get(plain(row.problem.text))
            right = None if known is None else bool((await checker.equal(known, ending.reference)).equal)
            found.append((ending.reference_change, right, sum(j.equal is True for j in ending.judgements)))
    return found


def show(share: float, found: list[tuple[str, bool | None, int]]) -> None:
    published = [one for one in found if one[2]]
    judged = [one for one in published if one[1] is not None]
    print(
        f"\nmin_vote_share {share}: {len(published)} published, {len(published) - len(judged)} not among the exercises"
    )
    print(f"  right references: {wilson([right is True for _, right, _ in judged])}")
    for change in ("kept", "filled", "replaced"):
        print(f"    {change:<9} {wilson([right is True for what, right, _ in judged if what == change])}")
    traces = sum(n for _, _, n in judged)
    print(f"  traces with a right reference: {sum(n for _, right, n in judged if right)} of {traces}")
    print(f"  left: {dict(Counter(what for what, _, n in found if not n).most_common())}")


def wilson(trials: list[bool]) -> str:
    """A share with Wilson's interval at 95 %."""
    n, z = len(trials), 1.96
    if not n:
        return "none"
    share = sum(trials) / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return f"{sum(trials)} of {n} = {share:.1%} ({middle - half:.1%} to {middle + half:.1%})"


if __name__ == "__main__":
    main()
