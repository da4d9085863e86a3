"""How many Python calls a sample may make: the recipe's limit, or a number drawn per sample that the model is told.

OpenMathReasoning draws it so that models learn to spend few calls well (arXiv 2504.16891, section 3).
"""

from __future__ import annotations

from factory.prompts.loader import prompt
from factory.recipe import Sampling


def max_calls(sampling: Sampling, seed: int) -> int:
    """The calls of the sample with this seed: the same whenever it is drawn, and whoever draws it."""
    if sampling.calls is None:
        return sampling.max_calls
    least, most = sampling.calls
    return least + seed // 7919 % (most - least + 1)


def told(sampling: Sampling, seed: int, *, tool: bool) -> str:
    """What the system message says of it; nothing where no number is drawn, or there is no Python."""
    if sampling.calls is None or not tool:
        return ""
    n = max_calls(sampling, seed)
    return prompt("python_budget").render({"calls": "once" if n == 1 else f"{n} times"}).strip()
