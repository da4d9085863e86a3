"""A canary for each replica: a few greedy questions whose answers are known from other replicas of the same weights.

Each replica answers before it serves, and puts its answers on record in the run, one small file under their digest.
What most records agree on is what the weights say; among equals, what was said first. A replica that says something
else does not serve. So one poisoned first replica is outvoted by the second and third healthy ones, and finds that out
at its own next look.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from contextlib import aclosing

from factory.dialects.protocol import Tokenizer
from factory.engines.protocol import Engine, SamplingParams
from factory.errors import FactoryError
from factory.store.fs import Store

log = logging.getLogger(__name__)

QUESTIONS = (
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10,",
    "2 + 2 = 4\n3 + 3 = 6\n4 + 4 =",
    "Monday, Tuesday, Wednesday,",
    "def square(x):\n    return",
    "The derivative of x^2 with respect to x is",
    "a b c d e f g h i j k l m n",
)
TOKENS = 16
MIN_AGREEMENT = 0.5
"""Share of equal tokens. Another GPU, or another batch, may tip a near tie and change what follows; a broken kernel
changes nearly all."""
STORE_S = 60.0
DIRECTORY = "engines/canary/"

Answers = list[list[int]]


class Canary:
    """The canary of one replica. `weights` names what must be equal for answers to be: model, revision, settings."""

    def __init__(self, store: Store | None, weights: str, replica: str, tokenizer: Tokenizer) -> None:
        self._store, self._replica, self._tokenizer = store, replica, tokenizer
        self._place = f"{DIRECTORY}{hashlib.sha256(weights.encode()).hexdigest()[:16]}/"

    async def look(self, engine: Engine, *, first: bool = False) -> str | None:
        """In words, what is wrong with the engine's answers; None if nothing is. The `first` look is recorded.

        Takes seconds. Raises what the engine raises; a store that does not answer says nothing of the engine.
        """
        answers = await ask(engine, self._tokenizer)
        if stuck(answers):
            return f"it answers every question with token {answers[0][0]}, over and over"
        try:
            expected = await asyncio.wait_for(asyncio.to_thread(self._compare_with, answers, first), STORE_S)
        except (FactoryError, TimeoutError) as error:
            log.warning("the answers of replica %s are compared with nobody's: %s", self._replica, error)
            return None
        share = agreement(answers, expected) if expected else 1.0
        if share >= MIN_AGREEMENT:
            return None
        text = self._tokenizer.decode([token for answer in answers for token in answer])
        return f"{share:.0%} of its greedy tokens are those of other replicas; it says {text[:200]!r}"

    def _compare_with(self, answers: Answers, first: bool) -> Answers | None:
        if self._store is None:
            return None
        if first:
            body = json.dumps(answers).encode()
            self._store.write(f"{self._place}{hashlib.sha256(body).hexdigest()[:16]}-{self._replica}.json", body)
        return self._expected(self._store)

    def _expected(self, store: Store) -> Answers | None:
        """What most replicas have said, of answers that differ by a near tie counted together."""
        spoken: dict[str, list[str]] = {}
        since: dict[str, float] = {}
        for entry in store.list(self._place):
            digest = entry.key.removeprefix(self._place).partition("-")[0]
            spoken.setdefault(digest, []).append(entry.key)
            since[digest] = min(since.get(digest, float("inf")), entry.modified.timestamp())
        answers: dict[str, Answers] = {digest: json.loads(store.read(keys[0])) for digest, keys in spoken.items()}

        def standing(digest: str) -> tuple[int, float]:
            votes = sum(
                len(spoken[other]) for other in spoken if agreement(answers[digest], answers[other]) >= MIN_AGREEMENT
            )
            return votes, -since[digest]

        return answers[max(answers, key=standing)] if answers else None


async def ask(engine: Engine, tokenizer: Tokenizer) -> Answers:
    """The greedy answers to all questions, one after the other: alone in its batch each is the same every time."""
    answers = []
    for question in QUESTIONS:
        sampling = SamplingParams(max_tokens=TOKENS, temperature=0.0)
        async with aclosing(engine.generate(tokenizer.encode(question), sampling)) as chunks:
            answers.append([token async for chunk in chunks for token in chunk.token_ids])
    return answers


def agreement(one: Answers, other: Answers) -> float:
    """Share of the tokens that are equal up to the first difference in each answer."""
    longest = sum(max(len(a), len(b)) for a, b in zip(one, other, strict=True))
    return sum(_common(a, b) for a, b in zip(one, other, strict=True)) / longest if longest else 1.0


def stuck(answers: Answers) -> bool:
    """Whether all answers are one token repeated: what engines with broken numerics say, and no model does."""
    tokens = {token for answer in answers for token in answer}
    return len(tokens) == 1 and min(map(len, answers)) > TOKENS // 2


def _common(one: list[int], other: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
