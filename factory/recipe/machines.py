"""What machines are asked for: Python sessions, program workers, and what they cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from factory.recipe.fields import Positive
from factory.settings import Strict, added, operational

_IN_ANY_CASE = ("tqdm", "psutil")


class SandboxSettings(Strict):
    """Limits of the sessions in which model-written Python runs, and what the machine must enforce."""

    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of one cell. What it waits for a core does not count, up to twice the limit."""
    memory_mb: Positive = 1024
    scratch_mb: Positive = 64
    cpu_s: Positive = 120
    """CPU seconds of one session over all of its cells."""
    output_chars: Positive = 10_000
    """Characters shown of each stream of a cell; head and tail are kept."""
    packages: tuple[str, ...] = ("numpy", "scipy", "sympy", "mpmath", "networkx", "pandas")
    """Distributions that a session can import, with what they require; `tqdm` and `psutil` are there in any case."""
    tool_description: Literal["exact", "trained"] = added("exact")
    """What a model is told about its Python tool: exactly what these sessions give it, or the words that models of its
    dialect were trained with, which promise more. A small model may know its tool by its own words alone."""
    if_missing: Literal["refuse", "external"] = operational("refuse")
    external_claim: str | None = operational(None)
    """What stands in for a missing isolation effect, in words; kept in the run as `sandbox.json`."""
    actors: tuple[int, int] = operational((1, 4))
    """Minimum and maximum sandbox actors of the pool."""
    num_cpus: float = operational(1.0)
    """Logical CPUs of one actor; it runs as many cells at once (at least one)."""
    downscale_delay_s: float = operational(60.0)
    """How long the pool must have had an actor's worth of idle CPUs before it gives one actor back."""

    @property
    def importable(self) -> tuple[str, ...]:
        """All distributions that a session can import. Those of every recipe are in no fingerprint."""
        return tuple(dict.fromkeys([*self.packages, *_IN_ANY_CASE]))

    @model_validator(mode="after")
    def _claim(self) -> SandboxSettings:
        if self.if_missing == "external" and not self.external_claim:
            raise ValueError("if_missing: external needs external_claim, the measure that stands in, in words")
        return self


class Programs(Strict):
    """How many problems are under way."""

    workers: tuple[Positive, Positive] = operational((1, 4))
    """Minimum and maximum program workers (CPU actors)."""
    problems_in_flight: Positive = operational(64)
    """Per worker."""
    num_cpus: Annotated[float, Field(ge=0)] = operational(0.5)
    """CPUs that Ray sets aside for one worker."""
    max_attempts: Positive = operational(5)
    """A problem that took its worker down this often is rejected."""


class Prices(Strict):
    """What machines cost, in any one currency: kept with the machine time of each start, for `factory status`."""

    gpu_hour: Annotated[float, Field(ge=0)] | None = operational(None)
    """One GPU for an hour, with the machine around it."""
    cpu_hour: Annotated[float, Field(ge=0)] | None = operational(None)
    """One logical CPU for an hour, on machines without GPUs."""
