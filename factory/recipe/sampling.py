"""How a model is sampled, whatever the samples are for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from factory.recipe.fields import Positive
from factory.settings import Strict, added


class Sampling(Strict):
    """How one sample is drawn (Nemotron-Math, section 2.1)."""

    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Positive = 120_000
    """Budget of one sample after its prompt, tool output included."""
    max_calls: int = 100
    calls: tuple[Positive, Positive] | None = added(None)
    """Least and most Python calls of a sample, drawn for each one, told in its prompt and enforced in place of
    `max_calls`; `[1, 8]` is OpenMathReasoning's."""
    wall_time_s: float = 14_400.0
    """Seconds in which one sample is served or its Python runs. What it waits, for an engine, a sandbox or a core, does
    not count."""
    repetition_tokens: Annotated[int, Field(ge=0)] = 1024
    """A sample ends once this many tokens repeat one pattern, at least four times over; 0 lets it continue."""
    prompt: str = "solve"
    """Name of the prompt file under factory/prompts that words the problem for the teacher."""

    @field_validator("calls")
    @classmethod
    def _a_range(cls, calls: tuple[int, int] | None) -> tuple[int, int] | None:
        if calls is not None and calls[0] > calls[1]:
            raise ValueError(f"calls are drawn between the least and the most, and {calls[0]} is more than {calls[1]}")
        return calls
