"""An engine that costs no machine in the factory's real Serve deployment: everything is real but the tokens' origin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from factory import recipe
from factory.dialects import dialect
from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import HfTokenizer, encode_markup
from factory.engines import model_files, serve
from factory.engines.protocol import Chunk, SamplingParams
from factory.engines.scripted import Script, ScriptedEngine

HELD = re.compile(r"while (\S+) is there")
"""A problem with these words keeps its teacher busy for as long as a file is there."""
CHUNK_S = 0.3


class LightReplica(serve.Replica):
    """A replica around a scripted teacher: one call of Python if it may, some thoughts, and the answer 4."""

    def _start(self, model: str, config: recipe.VllmSettings, revision: str | None) -> LightEngine:
        tokenizer = HfTokenizer(model_files.tokenizer_file(model, revision))
        return LightEngine(tokenizer, config)


class LightEngine(ScriptedEngine):
    dead, silent_s = False, 0.0

    def __init__(self, tokenizer: Tokenizer, config: recipe.VllmSettings) -> None:
        super().__init__(
            _teacher(tokenizer), capacity=config.max_num_seqs, chunk_tokens=config.chunk_tokens, delay_s=CHUNK_S
        )
        self._tokenizer = tokenizer

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        text = self._tokenizer.decode(prompt_token_ids)
        async with aclosing(super().generate(prompt_token_ids, sampling, affinity=affinity)) as chunks:
            async for chunk in chunks:
                yield chunk
                while _is_held(text):  # noqa: ASYNC110 (a file cannot be waited for)
                    await asyncio.sleep(CHUNK_S)


def _is_held(text: str) -> bool:
    found = HELD.search(text)
    return found is not None and Path(found[1]).exists()


def _teacher(tokenizer: Tokenizer) -> Script:
    harmony = dialect("harmony", tokenizer)
    call = encode_markup(
        tokenizer, "<|channel|>analysis to=python code<|message|>import time\ntime.sleep(2)\nprint(2 + 2)<|call|>"
    )
    answer = encode_markup(tokenizer, "<|channel|>final<|message|>\\boxed{4}<|return|>")
    thoughts = 4 * tokenizer.encode("1 + 1 + 1 + 1 ")

    def script(prompt: list[int], sampling: SamplingParams) -> Sequence[int]:
        text = tokenizer.decode(prompt)
        if "python" in text and not harmony.parse(prompt).n_tool_outputs:
            return call
        opening = encode_markup(tokenizer, "<|channel|>analysis<|message|>")
        closing = encode_markup(tokenizer, "<|end|><|start|>assistant")
        return [*opening, *thoughts, *closing, *answer]

    return script
