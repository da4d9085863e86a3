"""Pair check: ask the judge whether a problem and a benchmark problem are the same, where rules alone do not decide.

Exact match after normalisation needs no model. A reply that cannot be read decides nothing (None): the calibrated score
of the pair then stands. (The usual default, "different", would let a pair pass because a model rambled.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from factory.decontaminate.benchmarks import Place
from factory.decontaminate.check import Checked, settle
from factory.decontaminate.text import normalise
from factory.recipe import Decontaminate, Role
from factory.records import Problem

PROMPT = "pair_check"
_VERDICT = re.compile(r"^\W*same problem\W+(yes|no)\W*$", re.IGNORECASE)


class Asks(Protocol):
    """The one effect that this program needs."""

    async def ask(self, role: Role, prompt: str, variables: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, slots=True)
class PairCheck:
    """`same` is None where no reply could be read. `replies` are the judge's texts, as they came."""

    same: bool | None
    method: Literal["identical", "judge", "malformed"]
    replies: tuple[str, ...] = ()


async def pair_check(problem: Problem, neighbour_text: str, ctx: Asks, *, both_orders: bool = False) -> PairCheck:
    """Whether `neighbour_text` states the same problem. With `both_orders` the judge also sees the texts exchanged, and
    one yes is enough: judges lean towards one position, and a missed copy costs more than a lost problem."""
    if normalise(problem.text) == normalise(neighbour_text):
        return PairCheck(True, "identical")
    orders = [(problem.text, neighbour_text), (neighbour_text, problem.text)][: 2 if both_orders else 1]
    replies = await asyncio.gather(*(ctx.ask("judge", PROMPT, {"first": a, "second": b}) for a, b in orders))
    verdicts = [verdict for verdict in map(parse, replies) if verdict is not None]
    if not verdicts:
        return PairCheck(None, "malformed", tuple(replies))
    return PairCheck(any(verdicts), "judge", tuple(replies))


async def settle_undecided(
    checked: Checked, text_of: Callable[[str, str], str], ctx: Asks, config: Decontaminate
) -> Checked:
    """Ask about every neighbour inside the band and decide on the problem. `text_of` is `BenchmarkIndex.text_of`."""
    texts: dict[str, list[Place]] = {}
    for neighbour in checked.undecided:
        text = text_of(neighbour.benchmark, neighbour.id)
        texts.setdefault(text, []).append(Place(neighbour.benchmark, neighbour.id))
    checks = await asyncio.gather(
        *(pair_check(checked.problem, text, ctx, both_orders=config.both_orders) for text in texts)
    )
    answers = {place: found.same for places, found in zip(texts.values(), checks, strict=True) for place in places}
    return settle(checked, answers, config)


def parse(reply: str) -> bool | None:
    """The verdict on the last line of a reply that states one; None where no line does."""
    for line in reversed(reply.splitlines()):
        if match := _VERDICT.match(line.strip()):
            return match[1].lower() == "yes"
    return None
