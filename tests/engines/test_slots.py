"""Places at an engine: who waits is counted as waiting, and who gives up is not counted any more."""

from __future__ import annotations

import asyncio

import pytest

from factory.engines.protocol import EngineError, EngineLoad, ModelIdentity
from factory.engines.slots import EngineSlots


async def test_who_gives_up_takes_no_place():
    slots, leave = EngineSlots(1), asyncio.Event()

    async def request():
        async with slots:
            await leave.wait()

    running, impatient, patient = (asyncio.create_task(request()) for _ in range(3))
    await asyncio.sleep(0)
    assert slots.load() == EngineLoad(running=1, waiting=2, capacity=1)
    impatient.cancel()
    await asyncio.wait([impatient])
    assert slots.load() == EngineLoad(running=1, waiting=1, capacity=1)
    leave.set()
    await asyncio.gather(running, patient)
    assert slots.load() == EngineLoad(running=0, waiting=0, capacity=1)


async def test_a_request_that_fails_gives_its_place_back():
    slots = EngineSlots(1)
    with pytest.raises(ConnectionError):
        async with slots:
            raise ConnectionError
    assert slots.load() == EngineLoad(running=0, waiting=0, capacity=1)


def test_a_prompt_leaves_the_rest_of_the_window_and_must_leave_some():
    identity = ModelIdentity(name="m", revision="0", max_model_len=8, engine="e")
    assert identity.room(7) == 1
    for n_tokens in (8, 9):
        with pytest.raises(EngineError, match=f"the prompt has {n_tokens} tokens, the context window 8"):
            identity.room(n_tokens)
