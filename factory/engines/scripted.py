"""An engine that follows a script, for tests of programs: deterministic, instant, and mortal on demand.

It keeps the contract of `Engine` to the letter (stop tokens, budgets, overflow, queueing, a stream that breaks), so
that a program which passes against it meets nothing new from vLLM but the tokens themselves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import encode_markup
from factory.engines.protocol import Chunk, EngineLoad, EngineUnavailable, ModelIdentity, SamplingParams
from factory.engines.slots import EngineSlots

Script = Callable[[list[int], SamplingParams], Sequence[int]]
"""What the model would write after a prompt, without regard to budgets and stop tokens."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `generate`, as a test may want to look at it."""

    prompt_token_ids: list[int]
    sampling: SamplingParams
    affinity: str


class ScriptedEngine:
    """Answers from `script`, in chunks of `chunk_tokens`, `delay_s` seconds apart.

    `deaths` plans failures: its k-th entry is the number of tokens after which the k-th request breaks with
    `EngineUnavailable`, or None for a request that survives; requests past its end survive. A broken request that
    comes back as prompt + tokens so far continues where it stopped, whatever the script says of that longer prompt.
    `silences` plans in the same way after how many tokens a request says nothing more, and raises nothing either.
    Requests beyond `capacity` wait, as they would in a real queue. `requests` and `n_aborted` record what happened.
    """

    def __init__(
        self,
        script: Script,
        *,
        chunk_tokens: int = 16,
        delay_s: float = 0.0,
        deaths: Sequence[int | None] = (),
        silences: Sequence[int | None] = (),
        capacity: int = 256,
        max_model_len: int = 131_072,
        name: str = "scripted",
    ) -> None:
        self.requests: list[Request] = []
        self.n_aborted = 0
        self._script, self._chunk_tokens, self._delay_s = script, chunk_tokens, delay_s
        self._deaths, self._silences = list(deaths), list(silences)
        self._slots = EngineSlots(capacity)
        self._identity = ModelIdentity(name=name, revision="0", max_model_len=max_model_len, engine="scripted")
        self._rest: dict[tuple[int, ...], list[int]] = {}

    async def identity(self) -> ModelIdentity:
        return self._identity

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        death, silence = (_planned(plan, len(self.requests)) for plan in (self._deaths, self._silences))
        last = death if silence is None else silence
        self.requests.append(Request(list(prompt_token_ids), sampling, affinity))
        room = self._identity.room(len(prompt_token_ids))
        answer = self._answer(prompt_token_ids, sampling)
        cut, ends_by_itself = _end(answer, min(sampling.max_tokens, room), sampling.stop_token_ids)
        async with self._slots:
            finished = False
            try:
                for start in range(0, max(len(cut), 1), self._chunk_tokens):
                    await asyncio.sleep(self._delay_s)
                    end = min(start + self._chunk_tokens, len(cut))
                    if last is not None and last < end:
                        if last > start:
                            yield Chunk(cut[start:last])
                        self._rest[(*prompt_token_ids, *cut[:last])] = answer[last:]
                        if silence is not None:
                            await asyncio.Event().wait()
                        finished = True
                        raise EngineUnavailable(f"scripted death after {death} tokens")
                    finished = end == len(cut)
                    yield Chunk(cut[start:end], ("stop" if ends_by_itself else "length") if finished else None)
            finally:
                self.n_aborted += not finished

    async def load(self) -> EngineLoad:
        return self._slots.load()

    async def close(self) -> None:
        pass

    def _answer(self, prompt: list[int], sampling: SamplingParams) -> list[int]:
        rest = self._rest.pop(tuple(prompt), None)
        return rest if rest is not None else list(self._script(prompt, sampling))


def by_text(tokenizer: Tokenizer, rules: Sequence[tuple[str, str | Sequence[str]]]) -> Script:
    """A script in text: the first rule whose regular expression is found in the decoded prompt gives the reply.

    A rule with several replies deals them out by seed (reply number seed mod their count; the first without a seed),
    so that samples of one problem differ and yet repeat. Control tokens in replies are written as their spelling.
    """
    compiled = [
        (re.compile(pattern, re.DOTALL), [replies] if isinstance(replies, str) else list(replies))
        for pattern, replies in rules
    ]

    def script(prompt: list[int], sampling: SamplingParams) -> list[int]:
        text = tokenizer.decode(prompt)
        for pattern, replies in compiled:
            if pattern.search(text):
                return encode_markup(tokenizer, replies[(sampling.seed or 0) % len(replies)])
        raise LookupError(f"no rule of the script matches the prompt that ends in {text[-200:]!r}")

    return script


def _planned(plan: list[int | None], request: int) -> int | None:
    return plan[request] if request < len(plan) else None


def _end(answer: list[int], budget: int, stop_token_ids: list[int]) -> tuple[list[int], bool]:
    """The part of `answer` that is said, and whether it ended by itself (at a stop token or at its own end)."""
    for position, token in enumerate(answer[:budget]):
        if token in stop_token_ids:
            return answer[: position + 1], True
    return answer[:budget], len(answer) <= budget
