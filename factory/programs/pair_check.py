"""Pair check: ask the judge whether two texts state the same problem, where rules alone do not decide.

Equal texts need no model. A reply that cannot be read decides nothing (None): the calibrated score of the pair then
stands. (The usual default, "different", would let a pair pass because a model rambled.)
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from factory.programs.asking import Asker

PROMPT = "pair_check"
_VERDICT = re.compile(r"^\W*same problem\W+(yes|no)\W*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PairCheck:
    """`same` is None if no reply could be read. `replies` are the judge's texts, as they came."""

    same: bool | None
    method: Literal["identical", "judge", "malformed"]
    replies: tuple[str, ...] = ()


async def pair_check(train: str, bench: str, ctx: Asker, *, both_orders: bool = False) -> PairCheck:
    """Whether two texts state the same problem. With `both_orders` the judge also sees them exchanged, and one yes is
    enough: judges lean towards one position, and a missed copy costs more than a lost problem."""
    if _plain(train) == _plain(bench):
        return PairCheck(True, "identical")
    orders = [(train, bench), (bench, train)][: 2 if both_orders else 1]
    replies = await asyncio.gather(*(ctx.ask("judge", PROMPT, {"first": a, "second": b}) for a, b in orders))
    verdicts = [verdict for verdict in map(parse, replies) if verdict is not None]
    if not verdicts:
        return PairCheck(None, "malformed", tuple(replies))
    return PairCheck(any(verdicts), "judge", tuple(replies))


def parse(reply: str) -> bool | None:
    """The verdict on the last line of a reply that states one; None if no line does."""
    for line in reversed(reply.splitlines()):
        if match := _VERDICT.match(line.strip()):
            return match[1].lower() == "yes"
    return None


def _plain(text: str) -> str:
    """A text without case, its spacing made even. What else may differ between copies, the rules know."""
    return " ".join(text.split()).casefold()
