"""Any server that speaks the OpenAI completions API, as an `Engine`: token ids in, token ids out.

Prompts are sent as token ids, which vLLM, SGLang and TensorRT-LLM take. Token ids come back where the server offers
them (vLLM's `return_token_ids`); from other servers the text is taken and encoded with the model's own tokenizer,
which a caller then has to give: a detour that may split words otherwise than the model did.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx

from factory import recipe
from factory.dialects.protocol import Tokenizer
from factory.engines.endpoint_retry import Retry, refusal
from factory.engines.protocol import (
    Chunk,
    EngineError,
    EngineLoad,
    EngineUnavailable,
    FinishReason,
    ModelIdentity,
    SamplingParams,
)
from factory.engines.silence import SIGN_OF_LIFE_S
from factory.engines.slots import EngineSlots
from factory.engines.text_stream import TextStream
from factory.errors import FactoryError


class EndpointEngine:
    """A client of one server; picklable, it connects in each process by itself.

    At most `config.concurrency` requests are under way, the others wait. Refusals that pass (429, 5xx, no connection)
    are tried again with what `Retry-After` asks, and become `EngineUnavailable` when `retry` gives up. A key or model
    that the server does not accept is a `FactoryError`: no row could succeed.
    """

    def __init__(
        self,
        model: str,
        config: recipe.EndpointSettings,
        *,
        revision: str | None = None,
        tokenizer: Tokenizer | None = None,
        retry: Retry | None = None,
        chunk_tokens: int = 64,
    ) -> None:
        self._arguments = {"revision": revision, "tokenizer": tokenizer, "retry": retry, "chunk_tokens": chunk_tokens}
        self._model, self._config, self._revision = model, config, revision
        self._tokenizer, self._retry, self._chunk_tokens = tokenizer, retry or Retry(), chunk_tokens
        self._url = _base_url(config.url)
        self._slots = EngineSlots(config.concurrency)
        self._client: httpx.AsyncClient | None = None
        self._identity: ModelIdentity | None = None
        self._asking = asyncio.Lock()
        self._offers_token_ids = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._model, self._config, self._arguments)

    async def identity(self) -> ModelIdentity:
        """Ask the server which models it offers: finds a wrong address, key or model before any row does."""
        async with self._asking:
            if self._identity is None:
                self._identity = await self._ask_identity()
        return self._identity

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        room = (await self.identity()).room(len(prompt_token_ids))
        body = self._body(prompt_token_ids, sampling, min(sampling.max_tokens, room), affinity)
        async with self._slots, aclosing(self._stream(body, sampling)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def load(self) -> EngineLoad:
        """What this client has under way: a server's own queue is not visible over this API."""
        return self._slots.load()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _body(
        self, prompt_token_ids: list[int], sampling: SamplingParams, max_tokens: int, affinity: str
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": prompt_token_ids,
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stream": True,
            # vLLM's extensions; other servers ignore what they do not know
            "stop_token_ids": sampling.stop_token_ids,
            "return_token_ids": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "include_stop_str_in_output": True,
        }
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if affinity:
            body["user"] = affinity  # routers in front of several servers hash it
        if self._tokenizer is not None and not self._offers_token_ids:
            spelling = {token: text for text, token in self._tokenizer.control.items()}
            body["stop"] = [spelling[token] for token in sampling.stop_token_ids if token in spelling][:4]
        return body

    async def _stream(self, body: dict[str, Any], sampling: SamplingParams) -> AsyncGenerator[Chunk, None]:
        """One request: retried while nothing has come, then chunk by chunk to its end."""
        response = await self._open("POST", "/completions", json=body)
        pending: list[int] = []
        text = TextStream(self._tokenizer, sampling.stop_token_ids)
        broken: EngineUnavailable | None = None
        last_word = time.monotonic()
        try:
            async for choice in _choices(response):
                if choice.get("token_ids") is not None:
                    pending += choice["token_ids"]
                else:
                    text.feed(choice.get("text") or "")
                reason = _finish_reason(choice.get("finish_reason"))
                if reason is not None:
                    yield Chunk(pending + text.end(reason, choice.get("stop_reason")), reason)
                    return
                if len(pending) >= self._chunk_tokens or time.monotonic() - last_word > SIGN_OF_LIFE_S:
                    yield Chunk(pending)  # of text, which is encoded at its end, only a sign of life
                    pending, last_word = [], time.monotonic()
            broken = EngineUnavailable("the server ended the stream without a finish reason")
        except httpx.HTTPError as error:
            broken = EngineUnavailable(f"the connection to {self._url} broke: {_say(error)}")
        finally:
            await response.aclose()
        rest = pending + text.so_far()
        if rest:
            yield Chunk(rest)
        raise broken

    async def _open(self, method: str, path: str, **content: Any) -> httpx.Response:
        """An accepted response, its body unread. Waits and tries again while the server asks for patience."""
        attempt = 0
        while True:
            failure: Exception
            try:
                request = self._http().build_request(method, self._url + path, **content)
                response = await self._http().send(request, stream=True)
            except httpx.HTTPError as error:
                failure = EngineUnavailable(f"{self._url} cannot be reached: {_say(error)}")
                wait_s = self._retry.pause(attempt)
            else:
                if response.is_success:
                    return response
                text = (await response.aread()).decode(errors="replace")
                failure = refusal(response.status_code, text, url=self._url, model=self._model, config=self._config)
                wait_s = self._retry.pause(attempt, response.headers.get("retry-after"))
            if not isinstance(failure, EngineUnavailable) or attempt >= self._retry.tries:
                raise failure
            attempt += 1
            await asyncio.sleep(wait_s)

    async def _ask_identity(self) -> ModelIdentity:
        try:
            response = await self._open("GET", "/models")
        except EngineUnavailable as error:
            raise FactoryError(
                f"the endpoint {self._url} does not answer",
                why=str(error),
                remedy="start the server, or correct `url` in the recipe",
            ) from None
        offered = {m.get("id"): m for m in _json(await response.aread()).get("data", [])}
        if self._model not in offered:
            raise FactoryError(
                f"the endpoint {self._url} does not offer the model {self._model}",
                why=f"it offers: {', '.join(map(str, offered)) or 'none'}",
                remedy="set `model` in the recipe to a name from this list",
            )
        entry = offered[self._model]
        window = self._config.max_model_len or entry.get("max_model_len")
        if window is None:
            raise FactoryError(
                f"the endpoint {self._url} does not say how long its context window is",
                remedy="set `max_model_len` of this engine in the recipe",
            )
        self._offers_token_ids = entry.get("owned_by") == "vllm"
        return ModelIdentity(
            name=self._model,
            revision=self._revision or "unknown",
            max_model_len=int(window),
            engine=f"endpoint {entry.get('owned_by') or 'unknown'}",
        )

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            key = _api_key(self._config)
            self._client = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(connect=10.0, read=600.0, write=60.0, pool=None),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._config.concurrency),
            )
        return self._client


def _rebuild(model: str, config: recipe.EndpointSettings, arguments: dict[str, Any]) -> EndpointEngine:
    return EndpointEngine(model, config, **arguments)


def _base_url(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/v1") else f"{url}/v1"


def _api_key(config: recipe.EndpointSettings) -> str | None:
    if config.api_key_env is None:
        return None
    key = os.environ.get(config.api_key_env)
    if not key:
        raise FactoryError(
            f"the environment variable {config.api_key_env} is not set",
            why="the recipe names it as the one that holds the endpoint's key",
            remedy=f"export {config.api_key_env}=... where the workers run",
        )
    return key


async def _choices(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The choices of a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = _json(data)
        if "error" in event:
            code = event["error"].get("code") if isinstance(event["error"], dict) else None
            if isinstance(code, int) and 400 <= code < 500:  # found out after the status line had gone
                raise EngineError(f"the server refuses the request: {event['error'].get('message')}")
            raise EngineUnavailable(f"the server gave up: {event['error']}")
        for choice in event.get("choices") or []:
            yield choice


def _json(data: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        raise EngineUnavailable(f"the server sent what is not JSON: {data[:200]!r}") from None
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _finish_reason(reason: str | None) -> FinishReason | None:
    if reason is None or reason in {"stop", "length", "abort"}:
        return cast(FinishReason | None, reason)
    raise EngineUnavailable(f"the server ended the request with {reason!r}")


def _say(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
