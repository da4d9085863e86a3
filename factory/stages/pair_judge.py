"""Asks the judge model about the close pairs of one problem."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from factory import recipe as r
from factory.decontaminate.benchmarks import BenchmarkId
from factory.decontaminate.check import CheckedProblem, settle
from factory.programs.asking import Asker
from factory.programs.pair_check import pair_check


async def settle_undecided(
    checked: CheckedProblem, text_of: Callable[[str, str], str], ctx: Asker, config: r.Decontaminate
) -> CheckedProblem:
    """Ask about every neighbour inside the band and decide on the problem. `text_of` is `BenchmarkIndex.text_of`."""
    texts: dict[str, list[BenchmarkId]] = {}
    for neighbour in checked.undecided:
        text = text_of(neighbour.benchmark, neighbour.id)
        texts.setdefault(text, []).append(BenchmarkId(neighbour.benchmark, neighbour.id))
    checks = await asyncio.gather(
        *(pair_check(checked.problem.text, text, ctx, both_orders=config.both_orders) for text in texts)
    )
    answers = {place: found.same for places, found in zip(texts.values(), checks, strict=True) for place in places}
    return settle(checked, answers, config)
