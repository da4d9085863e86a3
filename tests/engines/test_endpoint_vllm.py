"""The endpoint engine against a real `vllm serve` on loopback, up to its death."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from factory import recipe
from factory.engines.endpoint import EndpointEngine
from factory.engines.endpoint_retry import Retry
from factory.engines.protocol import EngineError, EngineUnavailable, SamplingParams
from factory.errors import FactoryError
from tests.engines.helpers import collect

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

GREEDY = SamplingParams(max_tokens=200, temperature=0.0)


@pytest.fixture(scope="module")
def server(tiny_model_dir, tmp_path_factory):
    """Address and process of a server of the tiny model, with a key."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--model", str(tiny_model_dir), "--served-model-name", "tiny", "--dtype", "float32"]
    arguments += ["--max-model-len", "1024", "--enforce-eager", "--max-num-seqs", "16", "--api-key", "sesame"]
    arguments += ["--distributed-executor-backend", "uni"]  # starts sooner
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--kv-cache-memory-bytes", str(2**30)]
    log_path = tmp_path_factory.mktemp("server") / "log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_health(f"http://127.0.0.1:{port}", process, log_path)
        yield f"http://127.0.0.1:{port}", process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_health(url, process, log_path):
    for _ in range(1800):
        assert process.poll() is None, log_path.read_text()[-2000:]
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise AssertionError(log_path.read_text()[-2000:])


@pytest.fixture
def endpoint(server, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sesame")
    config = recipe.EndpointSettings(url=server[0], api_key_env="TEST_KEY", concurrency=8)
    return EndpointEngine("tiny", config, retry=Retry(tries=1, first_pause_s=0.01))


async def test_it_says_over_http_what_the_engine_in_process_says(endpoint, engine):
    identity = await endpoint.identity()
    assert (identity.name, identity.max_model_len, identity.engine) == ("tiny", 1024, "endpoint vllm")
    undisturbed, _ = await collect(engine, [1, 2, 3], GREEDY)
    assert await collect(endpoint, [1, 2, 3], GREEDY) == (undisturbed, "length")
    stop = SamplingParams(max_tokens=200, temperature=0.0, stop_token_ids=[undisturbed[40]])
    assert await collect(endpoint, [1, 2, 3], stop) == await collect(engine, [1, 2, 3], stop)


async def test_many_at_once(endpoint):
    results = await asyncio.gather(*(collect(endpoint, [i, 1], GREEDY) for i in range(20)))
    assert all(reason == "stop" or len(tokens) == 200 for tokens, reason in results)


async def test_context_overflow_and_bad_prompts(endpoint, engine):
    with pytest.raises(EngineError, match="1024"):
        await collect(endpoint, [1] * 1024, GREEDY)
    with pytest.raises(EngineError, match="vocabulary"):
        await collect(endpoint, [99_999], GREEDY)
    tokens, reason = await collect(endpoint, [7] * 1000, GREEDY)
    assert (len(tokens), reason) == (24, "length")


async def test_a_wrong_key_and_a_wrong_model(server, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "wrong")
    with pytest.raises(FactoryError, match="401"):
        await EndpointEngine("tiny", recipe.EndpointSettings(url=server[0], api_key_env="TEST_KEY")).identity()
    monkeypatch.setenv("TEST_KEY", "sesame")
    with pytest.raises(FactoryError, match="it offers: tiny"):
        await EndpointEngine("other", recipe.EndpointSettings(url=server[0], api_key_env="TEST_KEY")).identity()


async def test_closing_early_aborts_on_the_server(endpoint, server):
    await endpoint.identity()
    stream = endpoint.generate([3, 1], SamplingParams(max_tokens=1000, temperature=0.0))
    await anext(stream)
    await stream.aclose()
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            metrics = (await client.get(f"{server[0]}/metrics")).text
            running = next(line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running"))
            if float(running.split()[-1]) == 0:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(running)


async def test_a_server_that_dies_mid_stream_is_unavailable(endpoint, server):
    """The last test of this file: nobody answers after it."""
    await endpoint.identity()
    stream = endpoint.generate([3, 1], SamplingParams(max_tokens=1000, temperature=0.0))
    await anext(stream)
    os.killpg(server[1].pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailable):
        _ = [chunk async for chunk in stream]
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        await collect(endpoint, [1], GREEDY)
