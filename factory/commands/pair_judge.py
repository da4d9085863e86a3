"""The judge of close pairs for a command's whole batch: which one its options name, and how it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from factory import recipe as r
from factory import settings
from factory.engines.connect import open_model
from factory.engines.protocol import EngineError, EngineUnavailable
from factory.errors import FactoryError
from factory.programs.asking import answer
from factory.programs.pair_check import pair_check
from factory.prompts.loader import prompt as prompt_file


class PairJudge:
    """A judge model outside a run: call it with pairs of texts, close it at the end. Keeps no journal.

    Holds an event loop of its own between calls, because an engine's connections belong to the loop they began in.
    """

    def __init__(self, teacher: r.Teacher, *, both_orders: bool = False) -> None:
        self._model = open_model(teacher)
        self._both_orders = both_orders
        self._runner = asyncio.Runner()

    def __enter__(self) -> PairJudge:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._model.engine.close())
        self._runner.close()

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        """For each pair whether it is the same problem; None if the model gave no answer that can be read.

        Raises `FactoryError` if the model cannot be reached.
        """
        try:
            return self._runner.run(self._all(pairs))
        except EngineUnavailable as error:
            raise FactoryError(
                "the judge does not answer",
                why=str(error),
                remedy="start its server again, or leave the judge out: close pairs then stay undecided",
            ) from None

    async def ask(self, role: r.Role, prompt: str, variables: Mapping[str, Any]) -> str:
        """One greedy answer; empty if the pair does not fit into the model's context."""
        try:
            return await answer(self._model, prompt_file(prompt).render(variables), role=role, affinity=prompt)
        except EngineError:
            return ""

    async def _all(self, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        checks = (pair_check(train, bench, self, both_orders=self._both_orders) for train, bench in pairs)
        return [check.same for check in await asyncio.gather(*checks)]


@contextmanager
def judging(
    recipe: str | None, url: str | None, model: str | None, overrides: Sequence[str] | None = None
) -> Iterator[PairJudge | None]:
    """The judge that a command's options name, for the length of a block; None if they name none."""
    teacher = judge_of(recipe, url, model)
    if teacher is None:
        yield None
        return
    config = settings.validate(r.Decontaminate, settings.override({}, overrides or []), "--set")
    with PairJudge(teacher, both_orders=config.both_orders) as judge:
        yield judge


def judge_of(recipe: str | None, url: str | None, model: str | None) -> r.Teacher | None:
    """The judge that a command's options name: that of a recipe, or a server and its model."""
    if recipe and not url and not model:
        loaded = r.load(recipe)
        return loaded.judge or loaded.teacher
    if url and model and not recipe:
        return settings.validate(r.Teacher, {"model": model, "engine": {"kind": "endpoint", "url": url}}, "--judge-url")
    if recipe or url or model:
        raise FactoryError(
            "a judge is given by --judge RECIPE, or by --judge-url with --judge-model", remedy="give one of the two"
        )
    return None
