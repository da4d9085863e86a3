"""What a program may ask of a language model: token ids in, a stream of token ids out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from factory.errors import Unavailable

FinishReason = Literal["stop", "length", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to draw one continuation. `max_tokens` counts new tokens only; `stop_token_ids` end it and are returned."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop_token_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Newly generated token ids, the stop token included; `finish_reason` is set on the last chunk alone.

    One without token ids is a sign of life. `waiting` then says that the request is queued: no token has come yet.
    """

    token_ids: list[int]
    finish_reason: FinishReason | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which weights answer: name, a revision that changes when they do, and the context window in tokens."""

    name: str
    revision: str
    max_model_len: int
    engine: str  # implementation and version, e.g. "vllm 0.32.0"

    def room(self, n_tokens: int) -> int:
        """Tokens that can follow a prompt of so many. Raises `EngineError` if it fills the context window."""
        if n_tokens >= self.max_model_len:
            raise EngineError(f"the prompt has {n_tokens} tokens, the context window {self.max_model_len}")
        return self.max_model_len - n_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """A pool's load at one moment: sequences decoding, sequences queued, and how many it can decode at once.

    `kv_usage` is the share (0 to 1) of the KV cache that decoding sequences hold. Since the engine started,
    `preemptions` sequences were evicted from it, to be computed again, and of `prefix_queries` prompt tokens it held
    `prefix_hits` already. All are 0 if an engine does not tell.
    """

    running: int
    waiting: int
    capacity: int
    kv_usage: float = 0.0
    preemptions: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0


class EngineError(Exception):
    """The engine could not serve this request, and another try would not help (bad prompt, context overflow)."""


class EngineUnavailable(Unavailable):
    """The engine died or cannot be reached; the same request may continue at another replica.

    `lost_tokens` were generated and never delivered, as far as the engine can tell.
    """

    def __init__(self, message: str = "", *, lost_tokens: int = 0) -> None:
        super().__init__(message)
        self.lost_tokens = lost_tokens


class Engine(Protocol):
    """One pool of replicas of one model.

    `generate` streams chunks in order and ends after the chunk that carries a finish reason. It raises `EngineError`
    for a request that can never succeed and `EngineUnavailable` when the stream broke; tokens already yielded stay
    valid, so the caller may continue from prompt + tokens so far. `affinity` names the trace, so that its later turns
    can go to the replica that holds their prefix. Closing the generator early (`contextlib.aclosing`) aborts the
    request.
    """

    async def identity(self) -> ModelIdentity: ...

    def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]: ...

    async def load(self) -> EngineLoad: ...

    async def close(self) -> None: ...
