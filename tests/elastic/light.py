"""An engine that costs no machine in the factory's real Serve deployment: everything is real but the tokens' origin."""

from __future__ import annotations

from collections.abc import Sequence

from factory import recipe
from factory.dialects import dialect
from factory.dialects.tokenizer import HfTokenizer, encode_markup
from factory.engines import model_files, serve
from factory.engines.protocol import SamplingParams
from factory.engines.scripted import Script, ScriptedEngine

SLOW = "slowly"
"""A problem with this word takes its teacher about seventy times as long."""
CHUNK_S = 0.3


class LightReplica(serve.Replica):
    """A replica around a scripted teacher: one call of Python if it may, some thoughts, and the answer 4."""

    def _start(self, model: str, config: recipe.VllmEngine, revision: str | None) -> LightEngine:
        tokenizer = HfTokenizer(model_files.tokenizer_file(model, revision))
        return LightEngine(
            _teacher(tokenizer), capacity=config.max_num_seqs, chunk_tokens=config.chunk_tokens, delay_s=CHUNK_S
        )


class LightEngine(ScriptedEngine):
    dead = False


def _teacher(tokenizer: HfTokenizer) -> Script:
    harmony = dialect("harmony", tokenizer)
    call = encode_markup(
        tokenizer, "<|channel|>analysis to=python code<|message|>import time\ntime.sleep(1)\nprint(2 + 2)<|call|>"
    )
    answer = encode_markup(tokenizer, "<|channel|>final<|message|>\\boxed{4}<|return|>")
    thought = tokenizer.encode("1 + 1 + 1 + 1 ")

    def script(prompt: list[int], sampling: SamplingParams) -> Sequence[int]:
        text = tokenizer.decode(prompt)
        if "python" in text and not harmony.parse(prompt).n_tool_outputs:
            return call
        opening = encode_markup(tokenizer, "<|channel|>analysis<|message|>")
        closing = encode_markup(tokenizer, "<|end|><|start|>assistant")
        return [*opening, *thought * (300 if SLOW in text else 4), *closing, *answer]

    return script
