"""Paper order against cheap_first on simulated problems: decisions that differ, and the share of tokens saved.

    python tests/bench/solve_order.py [--problems N] [--seed K] [--wrong-forum 0.1]

What Nemotron-Math publishes and this simulation reproduces (printed beside its own value): 58 % of the candidates are
too easy; of the problems kept, low-mode samples pass at about 0.34, medium 0.55, high 0.66 (Python and none averaged,
AoPS rows of table 1); 88 / 7 / 4 / 1 % of the kept traces fall into the four length buckets; two thirds of the
problems have a forum answer (190K of 280K). What it does not publish is assumed, and can be changed by options: how
often a forum answer is wrong, how wrong answers cluster (the k-th commonest has weight 1 / k^2 out of 20), and that a
problem's length factor falls with its pass rate.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.verify import Equivalence, already_too_easy, settle_reference, too_easy

SAMPLES = 16
EASY_SHARE = 0.48  # of the candidates that low mode hardly ever fails
SHIFT = {"low": 0.0, "medium": 1.1, "high": 1.75}  # log odds of a right answer, over those in low mode
LENGTH = {"low": (900, 0.9), "medium": (2_800, 1.0), "high": (6_800, 1.0)}  # median tokens, sigma of the logarithm
BUCKETS = (16_384, 32_768, 65_536, math.inf)
PUBLISHED = {"too easy": 0.58, "low": 0.34, "medium": 0.55, "high": 0.66}


@dataclass(frozen=True)
class Problem:
    forum: str | None
    answers: dict[str, list[str]]  # by mode
    tokens: dict[str, list[int]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--problems", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--wrong-forum", type=float, default=0.1)
    given = options.parse_args()
    draw = random.Random(given.seed)
    asyncio.run(compare([problem(draw, given.wrong_forum) for _ in range(given.problems)]))


def problem(draw: random.Random, wrong_forum: float) -> Problem:
    log_odds = draw.gauss(4.5, 1.0) if draw.random() < EASY_SHARE else draw.gauss(-0.45, 1.5)
    stretch = math.exp(draw.gauss(0, 0.4) - 0.15 * log_odds)
    answers, tokens = {}, {}
    for mode, shift in SHIFT.items():
        right = 1 / (1 + math.exp(-log_odds - shift))
        answers[mode] = ["right" if draw.random() < right else wrong(draw) for _ in range(SAMPLES)]
        median, sigma = LENGTH[mode]
        tokens[mode] = [
            min(120_000, int(draw.lognormvariate(math.log(median * stretch), sigma))) for _ in range(SAMPLES)
        ]
    has_forum = draw.random() < 190 / 280
    forum = ("right" if draw.random() >= wrong_forum else wrong(draw)) if has_forum else None
    return Problem(forum, answers, tokens)


def wrong(draw: random.Random) -> str:
    return f"wrong {draw.choices(range(20), [1 / (k + 1) ** 2 for k in range(20)])[0]}"


async def compare(problems: list[Problem]) -> None:
    spent = Counter[str]()
    differ = Counter[str]()
    kept: list[tuple[Problem, str]] = []
    for one in problems:
        reference = (await settle_reference(one.forum, one.answers["high"], same)).reference or ""
        is_kept = not too_easy(one.answers["low"].count(reference), SAMPLES)
        drawn = early_drop(one)
        total = {mode: sum(one.tokens[mode]) for mode in SHIFT}
        spent["paper"] += total["high"] + total["low"] + is_kept * total["medium"]
        if drawn is None:
            rest = total["high"] + total["low"] + is_kept * total["medium"]
            spent["cheap, samples one by one"] += rest
            spent["cheap, all low samples at once"] += rest
        else:
            spent["cheap, samples one by one"] += sum(one.tokens["low"][:drawn])
            spent["cheap, all low samples at once"] += total["low"]
            differ["dropped early"] += 1
            if is_kept:
                differ["with a forum answer" if one.forum else "without a forum answer"] += 1
        if is_kept:
            kept.append((one, reference))
    show_calibration(problems, kept)
    show_outcome(len(problems), spent, differ)


def early_drop(one: Problem) -> int | None:
    """After how many low-mode samples the problem is certain to be too easy; None if it never is."""
    for drawn in range(1, SAMPLES + 1):
        seen = one.answers["low"][:drawn]
        agreeing = None if one.forum is None else seen.count(one.forum)
        if already_too_easy(agreeing, max(Counter(seen).values()), SAMPLES):
            return drawn
    return None


async def same(gold: str, prediction: str) -> Equivalence:
    return Equivalence(gold == prediction, "simulated")


def show_calibration(problems: list[Problem], kept: list[tuple[Problem, str]]) -> None:
    print(f"{len(problems)} problems; simulated (published)")
    print(f"  too easy in paper order: {1 - len(kept) / len(problems):.3f} ({PUBLISHED['too easy']})")
    for mode in SHIFT:
        rate = sum(p.answers[mode].count(reference) for p, reference in kept) / (SAMPLES * len(kept))
        print(f"  pass rate of kept problems, {mode}: {rate:.2f} ({PUBLISHED[mode]})")
    right = [
        n
        for p, reference in kept
        for mode in SHIFT
        for a, n in zip(p.answers[mode], p.tokens[mode], strict=True)
        if a == reference
    ]
    shares = [
        sum(low < n <= high for n in right) / len(right) for low, high in zip((0, *BUCKETS), BUCKETS, strict=False)
    ]
    print(
        "  length buckets of right traces: "
        + " / ".join(f"{s:.3f}" for s in shares)
        + " (0.882 / 0.070 / 0.042 / 0.006)"
    )


def show_outcome(total: int, spent: Counter[str], differ: Counter[str]) -> None:
    different = differ["with a forum answer"] + differ["without a forum answer"]
    print(f"decisions that differ: {different} of {total} ({different / total:.3%}), all kept by paper only")
    print(f"  {differ['with a forum answer']} with a forum answer that no high sample confirms")
    print(f"  {differ['without a forum answer']} without one, where the high majority is another answer")
    for order in ("cheap, samples one by one", "cheap, all low samples at once"):
        print(f"tokens saved by {order}: {1 - spent[order] / spent['paper']:.1%}")


if __name__ == "__main__":
    main()
