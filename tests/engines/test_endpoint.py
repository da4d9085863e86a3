"""An OpenAI-compatible endpoint as an engine: against a server that has bad days on demand."""

from __future__ import annotations

import asyncio
import pickle
import time
from email.utils import formatdate

import pytest

from factory import recipe
from factory.engines.endpoint import EndpointEngine
from factory.engines.endpoint_retry import Retry
from factory.engines.protocol import EngineError, EngineUnavailable, SamplingParams
from factory.errors import FactoryError
from tests.engines.helpers import collect
from tests.engines.http_stub import Answer, Stub, events, models
from tests.engines.test_scripted import Letters

OFFER = models("m", max_model_len=100, owned_by="vllm")
FINE = events({"token_ids": [5, 6]}, {"token_ids": [7], "finish_reason": "stop"})
SAMPLING = SamplingParams(max_tokens=50, temperature=0.5, top_p=0.9, seed=3, stop_token_ids=[7])


def endpoint(stub, *, config=None, tries=3, **options):
    values = {"url": stub.url} | (config or {})
    retry = Retry(tries=tries, first_pause_s=0.001)
    return EndpointEngine("m", recipe.EndpointSettings(**values), retry=retry, **options)


async def test_tokens_go_in_and_come_out():
    async with Stub(models=[OFFER], completions=[FINE]) as stub:
        engine = endpoint(stub, revision="r1")
        assert await collect(engine, [1, 2], SAMPLING, affinity="trace") == ([5, 6, 7], "stop")
        identity = await engine.identity()
        assert (identity.name, identity.revision, identity.max_model_len) == ("m", "r1", 100)
        (body,) = stub.asked("completions")
        expected = {"prompt": [1, 2], "max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "seed": 3, "user": "trace"}
        assert expected.items() <= body.items()
        assert body["stop_token_ids"] == [7]
        await engine.close()


async def test_chunks_are_batched():
    tokens = [{"token_ids": [i]} for i in range(100)] + [{"token_ids": [], "finish_reason": "length"}]
    async with Stub(models=[OFFER], completions=[events(*tokens)]) as stub:
        chunks = [c async for c in endpoint(stub, chunk_tokens=32).generate([1], SAMPLING)]
    assert [len(c.token_ids) for c in chunks] == [32, 32, 32, 4]


async def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sesame")
    async with Stub(models=[OFFER], completions=[FINE]) as stub:
        await collect(endpoint(stub, config={"api_key_env": "TEST_KEY"}), [1], SAMPLING)
        assert {headers.get("authorization") for _, headers, _ in stub.requests} == {"bearer sesame"}
        monkeypatch.delenv("TEST_KEY")
        with pytest.raises(FactoryError, match="TEST_KEY is not set"):
            await endpoint(stub, config={"api_key_env": "TEST_KEY"}).identity()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(401, body='{"error": {"message": "who are you"}}'), r"refuses a request without a key \(401\)"),
        (Answer(403, body="no"), "403"),
        (models("other"), "it offers: other"),
        (models("m"), "how long its context window"),
        (Answer(404, body="nothing here"), "404"),
    ],
)
async def test_what_no_row_could_survive_is_found_at_once(answer, message):
    async with Stub(models=[answer], completions=[FINE]) as stub:
        with pytest.raises(FactoryError, match=message):
            await collect(endpoint(stub), [1], SAMPLING)
        assert stub.asked("completions") == []


async def test_a_server_that_is_not_there_is_a_factory_error():
    async with Stub(models=[OFFER]) as stub:
        engine = endpoint(stub)
    with pytest.raises(FactoryError, match="does not answer"):
        await engine.identity()


async def test_a_model_unknown_to_the_completions_api_is_a_factory_error():
    missing = Answer(404, body='{"error": {"message": "The model `m` does not exist."}}')
    async with Stub(models=[OFFER], completions=[missing]) as stub:
        with pytest.raises(FactoryError, match="does not exist"):
            await collect(endpoint(stub), [1], SAMPLING)


async def test_context_overflow_is_this_request_s_end():
    too_long = Answer(400, body='{"error": {"message": "maximum context length is 90 tokens"}}')
    async with Stub(models=[OFFER], completions=[too_long]) as stub:
        with pytest.raises(EngineError, match="maximum context length is 90"):
            await collect(endpoint(stub), [1], SAMPLING)
        assert len(stub.asked("completions")) == 1
        with pytest.raises(EngineError, match="120 tokens, the context window 100"):
            await collect(endpoint(stub), [1] * 120, SAMPLING)
        assert len(stub.asked("completions")) == 1


async def test_the_budget_is_cut_to_the_context_window():
    async with Stub(models=[OFFER], completions=[FINE]) as stub:
        await collect(endpoint(stub), [1] * 80, SAMPLING)
        assert stub.asked("completions")[0]["max_tokens"] == 20


async def test_refusals_that_pass_are_tried_again():
    busy = [Answer(429, {"Retry-After": "0"}), Answer(503), Answer(502)]
    async with Stub(models=[OFFER], completions=[*busy, FINE]) as stub:
        assert await collect(endpoint(stub), [1], SAMPLING) == ([5, 6, 7], "stop")
        assert len(stub.asked("completions")) == 4


async def test_tries_end():
    async with Stub(models=[OFFER], completions=[Answer(503, body="overloaded")]) as stub:
        with pytest.raises(EngineUnavailable, match="503: overloaded"):
            await collect(endpoint(stub, tries=2), [1], SAMPLING)
        assert len(stub.asked("completions")) == 3


async def test_retry_after_is_honoured(monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    busy = [Answer(429, {"Retry-After": "7"}), Answer(503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)})]
    async with Stub(models=[OFFER], completions=[*busy, FINE]) as stub:
        engine = endpoint(stub)
        await engine.identity()
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await collect(engine, [1], SAMPLING)
    assert 7 <= pauses[0] < 8
    assert 25 < pauses[1] <= 31


def test_pauses_without_advice_double_up_to_a_limit():
    retry = Retry(first_pause_s=1.0, max_pause_s=8.0)
    for attempt, longest in enumerate([1, 2, 4, 8, 8]):
        assert longest / 2 <= retry.pause(attempt, "not a date") <= longest


@pytest.mark.parametrize("answer", [events({"token_ids": [5, 6]}, cut=True), events({"token_ids": [5, 6]}, done=False)])
async def test_a_stream_that_breaks_keeps_what_has_come(answer):
    said = []
    async with Stub(models=[OFFER], completions=[answer]) as stub:
        with pytest.raises(EngineUnavailable):
            await collect(endpoint(stub), [1], SAMPLING, into=said)
    assert said == [5, 6]


async def test_an_error_inside_the_stream_is_a_broken_stream():
    broken = Answer(body='data: {"error": {"message": "engine died"}}\n\n')
    async with Stub(models=[OFFER], completions=[broken]) as stub:
        with pytest.raises(EngineUnavailable, match="engine died"):
            await collect(endpoint(stub), [1], SAMPLING)


async def test_a_refusal_inside_the_stream_is_this_request_s_end():
    refused = Answer(body='data: {"error": {"message": "out of vocabulary", "code": 400}}\n\n')
    async with Stub(models=[OFFER], completions=[refused]) as stub:
        with pytest.raises(EngineError, match="out of vocabulary"):
            await collect(endpoint(stub), [1], SAMPLING)


async def test_concurrency_is_bounded_and_load_tells():
    async with Stub(models=[OFFER], completions=[FINE]) as stub:
        engine = endpoint(stub, config={"concurrency": 2})
        await engine.identity()
        streams = [engine.generate([1], SAMPLING) for _ in range(5)]
        first = [asyncio.create_task(anext(stream)) for stream in streams]
        for _ in range(200):
            await asyncio.sleep(0.005)
            if sum(task.done() for task in first) == 2:
                break
        load = await engine.load()
        assert (load.running, load.waiting, load.capacity) == (2, 3, 2)
        for stream, task in zip(streams, first, strict=True):
            await task
            await stream.aclose()
        assert len(stub.asked("completions")) == 5


TEXT = [{"text": "a<|e"}, {"text": "nd|>b"}, {"text": "", "finish_reason": "stop"}]


async def test_text_is_encoded_where_the_server_sends_no_token_ids():
    offer = models("m", max_model_len=100, owned_by="someone")
    async with Stub(models=[offer], completions=[events(*TEXT)]) as stub:
        engine = endpoint(stub, tokenizer=Letters())
        assert await collect(engine, [1], SAMPLING) == ([97, 7, 98, 7], "stop")
        assert stub.asked("completions")[0]["stop"] == ["<|end|>"]
        with pytest.raises(EngineError, match="without token ids"):
            await collect(endpoint(stub), [1], SAMPLING)


async def test_a_cut_off_stop_token_must_be_known():
    two = SamplingParams(max_tokens=9, stop_token_ids=[7, 8])
    said = [{"text": "a", "finish_reason": "stop", "stop_reason": 8}]
    async with Stub(models=[OFFER], completions=[events(*said), events(*TEXT)]) as stub:
        engine = endpoint(stub, tokenizer=Letters())
        assert await collect(engine, [1], two) == ([97, 8], "stop")
        with pytest.raises(EngineError, match="which of 2"):
            await collect(engine, [1], two)


async def test_it_travels_to_other_processes():
    async with Stub(models=[OFFER], completions=[FINE]) as stub:
        engine = pickle.loads(pickle.dumps(endpoint(stub, revision="r1")))
        assert await collect(engine, [1], SAMPLING) == ([5, 6, 7], "stop")
        assert (await engine.identity()).revision == "r1"
