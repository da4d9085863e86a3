"""Was it rounding? Whether two greedy samples part where the teacher itself sees two tokens as equally likely.

Greedy decoding in float32 gives equal tokens for equal prompts, unless two logits are so close that the order of
additions decides: that order depends on what else is in the batch, and on where a sample was taken up again.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from factory.records import Origin, Trace

CLOSE = 1e-3  # float32 leaves errors of some 1e-5 in this teacher's logits


def explains(one: Trace, other: Trace, teacher: Path) -> bool:
    """Whether the first token in which two samples differ was a tie but for rounding."""
    pairs = zip(one.token_ids, other.token_ids, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    if at is None or not one.mask[at] == other.mask[at] == Origin.GENERATED:
        return False
    import torch

    with torch.inference_mode():
        logits = _model(teacher)(torch.tensor([one.token_ids[:at]])).logits[0, -1]
    gap = float(logits[one.token_ids[at]] - logits[other.token_ids[at]])
    return abs(gap) < CLOSE


@cache
def _model(teacher: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float64)
