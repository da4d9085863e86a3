"""The model families whose chat formats the library `renderers` knows, and how each is told to think more or less.

gpt-oss is not among them: its format is the dialect `harmony`, which needs no vocabulary from the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Any]

_SWITCH: tuple[Settings, ...] = ({"enable_thinking": False}, {"enable_thinking": True})


def _effort(*names: str) -> tuple[Settings, ...]:
    return tuple({"reasoning_effort": name} for name in names)


@dataclass(frozen=True, slots=True)
class Family:
    """A chat format of the library's."""

    stem: str
    """Its class is `<stem>Renderer`, its settings are `<stem>RendererConfig`."""
    efforts: tuple[Settings, ...] = ()
    """Settings of the template from the least thought to the most; none if the family has no switch."""

    def renderer(self, tokenizer: Any, settings: Settings) -> Any:
        """A renderer with these settings. Raises where the tokenizer lacks a control token or a setting is unknown.

        What was sampled is always kept as it was (`thinking_retention`): a trace is never rendered again.
        """
        import renderers

        config = getattr(renderers, f"{self.stem}RendererConfig")(thinking_retention="all", **settings)
        return getattr(renderers, f"{self.stem}Renderer")(tokenizer, config)


FAMILIES: dict[str, Family] = {
    "qwen3": Family("Qwen3", _SWITCH),
    "qwen3.5": Family("Qwen35", _SWITCH),
    "qwen3.6": Family("Qwen36", _SWITCH),
    "qwen3.8": Family("Qwen38", _effort("low", "medium", "xhigh")),
    "qwen3-vl": Family("Qwen3VL"),
    "prime-qwen3": Family("PrimeQwen3"),
    "deepseek-r1": Family("DeepSeekR1"),
    "deepseek-v3": Family("DeepSeekV3"),
    "deepseek-v4": Family(
        "DeepSeekV4",
        ({"enable_thinking": False}, *({"enable_thinking": True, "reasoning_effort": e} for e in ("high", "max"))),
    ),
    "gemma4": Family("Gemma4", _SWITCH),
    "glm-4.5": Family("GLM45", _SWITCH),
    "glm-5": Family("GLM5", _SWITCH),
    "glm-5.1": Family("GLM51", _SWITCH),
    "glm-5.3": Family("GLM53", _effort("low", "high", "max")),
    "hy3": Family("Hy3", _effort("no_think", "low", "high")),
    "inkling": Family("Inkling", _effort("low", "medium", "high")),
    "kimi-k2": Family("KimiK2"),
    "kimi-k2.5": Family("KimiK25", ({"thinking": False}, {"thinking": True})),
    "laguna-m.1": Family("LagunaM1", _SWITCH),
    "laguna-s-2.1": Family("LagunaS21", _SWITCH),
    "laguna-xs.2": Family("LagunaXS2", _SWITCH),
    "laguna-xs-2.1": Family("LagunaXS21", _SWITCH),
    "llama-3": Family("Llama3"),
    "minimax-m2": Family("MiniMaxM2"),
    "nemotron-3": Family("Nemotron3", _SWITCH),
    "nemotron-3-ultra": Family(
        "Nemotron3Ultra", ({"enable_thinking": False}, {"medium_effort": True}, {"medium_effort": False})
    ),
    "nemotron-3.5": Family("Nemotron35", _SWITCH),
}

COMMON_EFFORTS: tuple[tuple[Settings, ...], ...] = (_effort("low", "medium", "high"), _SWITCH)
"""Switches that templates of other models are tried for, the finer first."""
