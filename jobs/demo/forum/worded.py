"""The same exercise in other words: numbers and words of an exercise are drawn from two sources."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from jobs.demo.families import FAMILIES, Exercise
from jobs.demo.families.base import ITEMS, NAMES

T = TypeVar("T")
_WORDS = {*NAMES, *ITEMS}


class Worded(random.Random):
    """Draws texts, names and things from `words`, everything else from `numbers`."""

    def __init__(self, numbers: int, words: int) -> None:
        super().__init__(numbers)
        self._words = random.Random(words)

    def choice(self, seq: Any) -> Any:
        return self._words.choice(seq) if _is_wording(seq) else super().choice(seq)

    def sample(self, population: Any, k: int, **more: Any) -> list[Any]:
        return self._words.sample(population, k, **more) if _is_wording(population) else super().sample(population, k)


def worded(family: str, numbers: int, words: int) -> Exercise:
    """The exercise that `numbers` stands for, in the words that `words` stands for."""
    return FAMILIES[family](Worded(numbers, words))


def _is_wording(seq: Sequence[Any]) -> bool:
    return all(isinstance(item, str) and (" " in item or item in _WORDS) for item in seq)
