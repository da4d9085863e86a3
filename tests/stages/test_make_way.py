"""A worker whose storage is broken makes way for one elsewhere; the run ends only if nobody can write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factory.engines.scripted import ScriptedEngine
from factory.errors import FactoryError
from factory.programs import effects
from factory.programs.solve import SOLVE
from factory.recipe import Recipe
from factory.stages.ledger import BROKEN_TIMES, Ledger
from factory.stages.worker import Worker
from factory.store.run import Run
from tests.programs.rollouts import FINAL, turns
from tests.stages.support import PROBLEM, SETTINGS, connecting
from tests.stages.test_solve import outcomes


class Left(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def recipe():
    return Recipe.model_validate(SETTINGS)


@pytest.fixture
def run(tmp_path, recipe):
    return Run.open(str(tmp_path / "run"), recipe)


def broken(run, monkeypatch):
    """The storage as one machine sees it on which the disk is full, or the keys are gone."""

    def write(key, data):
        raise FactoryError(f"cannot write {key}", why="no space left")

    monkeypatch.setattr(type(run.store), "write", lambda self, key, data: write(key, data))


def stage(run, recipe, leave, engine=None):
    connect = connecting(Ledger(run.uri), teacher=engine or ScriptedEngine(turns(FINAL)))

    async def connected():
        return replace(await connect(), leave=leave)

    return Worker(run, recipe, connected, SOLVE, in_flight=64)


async def test_a_worker_that_cannot_write_leaves(run, recipe, monkeypatch):
    async def leave():
        raise Left

    broken(run, monkeypatch)
    with pytest.raises(Left):
        await outcomes(stage(run, recipe, leave), PROBLEM)


async def test_where_nobody_can_write_the_run_ends_with_the_worker_s_error(run, recipe, monkeypatch):
    asked = []

    async def leave():
        asked.append(True)

    broken(run, monkeypatch)
    with pytest.raises(FactoryError, match="no space left"):
        await outcomes(stage(run, recipe, leave), PROBLEM)
    assert asked


async def test_an_error_for_the_user_is_no_reason_to_try_elsewhere(run, recipe, monkeypatch):
    async def leave():
        raise Left

    async def refused(*args, **kwargs):
        raise FactoryError("the endpoint refuses the key")

    monkeypatch.setattr(effects, "rollout", refused)
    with pytest.raises(FactoryError, match="refuses the key"):
        await outcomes(stage(run, recipe, leave), PROBLEM)


def test_the_ledger_knows_whether_others_can_write(run, monkeypatch):
    ledger = Ledger(run.uri)
    assert [ledger.others_can_write("a") for _ in range(BROKEN_TIMES + 1)] == [True] * BROKEN_TIMES + [False]
    assert ledger.others_can_write("b")

    def probe(self):
        raise FactoryError("cannot write")

    monkeypatch.setattr(type(run.store), "probe", probe)
    assert not Ledger(run.uri).others_can_write("a")


def test_trouble_of_long_ago_does_not_count(run, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("factory.stages.ledger.time.monotonic", lambda: now[0])
    ledger = Ledger(run.uri)
    for _ in range(10):
        assert ledger.others_can_write("a")
        now[0] += 3000.0
