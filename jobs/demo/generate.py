"""Batched generation with transformers, for measuring and testing the tiny models without an engine."""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM

from factory.dialects.harmony import Harmony


@torch.inference_mode()
def generate(
    model: LlamaForCausalLM, dialect: Harmony, prompts: list[list[int]], *, max_length: int, temperature: float = 0.0
) -> list[list[int]]:
    """What the model writes after each prompt, its stop token included; `max_length` counts the prompt too."""
    longest = max(map(len, prompts))
    pad = dialect.stop_token_ids[-1]
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    grown = model.generate(
        ids,
        attention_mask=mask,
        max_length=max(max_length, longest + 1),
        eos_token_id=dialect.stop_token_ids,
        pad_token_id=pad,
        **sampling,
    )
    return [_up_to_stop(row, dialect.stop_token_ids) for row in grown[:, longest:].tolist()]


def _up_to_stop(row: list[int], stops: list[int]) -> list[int]:
    return row[: next((i + 1 for i, token in enumerate(row) if token in stops), len(row))]
