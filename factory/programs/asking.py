"""Ask: one question to a model, one greedy answer. The only place where a prompt file meets an engine for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from factory.engines.connect import Model
from factory.engines.failover import Failover
from factory.engines.metered import MeteredEngine
from factory.engines.protocol import SamplingParams
from factory.metrics import SILENT, Sink
from factory.recipe import Role
from factory.records import Origin


class Asker(Protocol):
    """The one effect that a program needs which only asks."""

    async def ask(self, role: Role, prompt: str, variables: Mapping[str, Any]) -> str:
        """One greedy answer of the model in a role to a prompt file filled in with `variables`."""
        ...


async def answer(model: Model, text: str, *, role: Role, affinity: str, sink: Sink = SILENT) -> str:
    """The model's final answer, without its reasoning.

    Raises `EngineError` if the question can never be answered (it does not fit into the context window) and
    `EngineUnavailable` where no engine came back in time.
    """
    tokens = model.dialect.prompt(text, mode=model.ask_mode, tool=False)
    sampling = SamplingParams(max_tokens=model.ask_tokens, temperature=0.0, stop_token_ids=model.dialect.stop_token_ids)
    engine = MeteredEngine(model.engine, sink, role=role, mode=model.ask_mode.value, tool="none")
    stream = Failover(engine, silence_s=model.silence_s).generate(tokens, sampling, affinity=affinity)
    generated = [token async for chunk in stream for token in chunk.token_ids]
    mask = [Origin.PROMPT] * len(tokens) + [Origin.GENERATED] * len(generated)
    return model.dialect.parse(tokens + generated, mask).final_text
