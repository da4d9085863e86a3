"""The figures that a plan is made from, each as a range, with where its default comes from.

Three kinds of defaults: published ones (Nemotron-Math, arXiv 2512.15489, called NM below, and OpenMathReasoning, arXiv
2504.16891, called OMR), ones derived from them as said, and placeholders, which stand for what only your machines,
your model and your provider can tell. A plan names the placeholders that it still rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from factory import settings
from factory.errors import FactoryError
from factory.recipe import Positive
from factory.records import Mode
from factory.settings import Strict

THROUGHPUT = Path(__file__).parent / "throughput.yaml"


class Range(Strict):
    """Least, likeliest and most; a single number stands for all three, a list of three for each."""

    low: Annotated[float, Field(ge=0)]
    likely: float
    high: float

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"low": value, "likely": value, "high": value}
        if isinstance(value, list | tuple) and len(value) == 3:
            return dict(zip(("low", "likely", "high"), value, strict=True))
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low <= self.likely <= self.high:
            raise ValueError("low, likely and high must not fall")
        return self


def _at_most_one(value: Range) -> Range:
    if value.high > 1:
        raise ValueError("a share is at most 1")
    return value


Share = Annotated[Range, AfterValidator(_at_most_one)]


def _range(low: float, likely: float, high: float) -> Range:
    return Range(low=low, likely=likely, high=high)


def _placeholder(low: float, likely: float, high: float) -> Any:
    return Field(_range(low, likely, high), json_schema_extra={"placeholder": True})


class Regimes(Strict):
    """A figure of one mode, with Python and without."""

    python: Range
    none: Range


class ByMode(Strict):
    """A figure of each mode."""

    high: Regimes
    medium: Regimes
    low: Regimes

    def of(self, mode: Mode, tool: bool) -> Range:
        regimes: Regimes = getattr(self, mode)
        return regimes.python if tool else regimes.none


def _regimes(python: tuple[float, float, float], none: tuple[float, float, float]) -> Regimes:
    return Regimes(python=_range(*python), none=_range(*none))


_TOKENS = ByMode(
    high=_regimes((8_000, 13_900, 20_000), (10_000, 19_100, 27_000)),
    medium=_regimes((2_000, 4_000, 8_000), (2_000, 4_000, 8_000)),
    low=_regimes((500, 1_000, 2_500), (500, 1_000, 2_500)),
)
_ACCEPTED = ByMode(
    high=_regimes((0.4, 0.52, 0.69), (0.4, 0.52, 0.64)),
    medium=_regimes((0.3, 0.45, 0.59), (0.3, 0.45, 0.52)),
    low=_regimes((0.2, 0.34, 0.40), (0.2, 0.28, 0.28)),
)


class PlanFigures(Strict):
    """Everything about the world that a plan needs. Tokens are per sample, prices in any one currency."""

    problems: Positive | None = None
    """Problems that enter; counted from the recipe's sources where this is not given."""
    problems_per_thread: Range = _range(0.28, 0.45, 0.94)
    """Problems that one thread yields. OMR: 620K discussions gave 580K problems, 280K of them no proofs; NM started
    from 175K."""
    contaminated: Share = _range(0.0, 0.018, 0.05)
    """Share of problems that decontamination removes. OMR: 550K became 540K; the bounds are ours."""
    too_easy: Share = _range(0.51, 0.58, 0.60)
    """Share of problems that low mode passes too often. NM: of 826K candidates 347K stayed (AoPS 85K of 175K, Stack
    Exchange 262K of 651K)."""
    sealed: Share = _placeholder(0.8, 0.95, 1.0)
    """Share of too-easy problems that `order: cheap_first` drops before any high-mode sample is drawn."""
    easy_length: Range = _placeholder(0.3, 0.5, 1.0)
    """Length of a sample of a too-easy problem, as a multiple of `tokens`."""
    tokens: ByMode = Field(default=_TOKENS, json_schema_extra={"placeholder": True})
    """Generated tokens of a sample of a problem that stays. High: the teacher's means on AIME 2024 and 2025, 13.3K and
    14.5K with Python, 17.1K and 21.1K without (NM's evaluation of it); the bounds are ours. For medium and low nothing
    is published: placeholders."""
    prompt_tokens: Range = _placeholder(100, 200, 400)
    """Tokens of a prompt."""
    tool_tokens: Range = _placeholder(200, 1_000, 4_000)
    """Tokens of tool output in a sample with Python: read by the engine, not generated."""
    tool_seconds: Range = _placeholder(0.5, 2.0, 10.0)
    """Seconds that the Python calls of one sample take, together."""
    accepted: ByMode = _ACCEPTED
    """Share of the samples of problems that stay that reach the reference. Likely: released rows of each mode (2.9M,
    2.5M, 1.7M) over 347K problems x 16, low mode split as in NM's Table 1 for AoPS, which gives the upper bounds; the
    lower bounds are ours."""
    output_tokens_per_gpu_s: Range = _placeholder(700, 1_500, 3_000)
    """Tokens that one GPU generates a second while its engine is full."""
    input_tokens_per_gpu_s: Range = _placeholder(5_000, 10_000, 20_000)
    """Tokens that one GPU reads a second (prefill)."""
    busy: Share = _placeholder(0.6, 0.8, 0.95)
    """Share of the engines' time in which they are full; a job prints its own at the end, as `busy`."""
    gpu_hour_price: Range = _placeholder(1.5, 2.5, 5.0)
    """Price of one GPU for an hour, preemptible."""
    other_hour_price: Range = _placeholder(1.0, 5.0, 20.0)
    """Price of everything else for an hour: the head, the CPU machines."""
    preemptions_per_replica_hour: Range = _placeholder(0.0, 0.02, 0.1)
    """How often an engine replica is taken away, per hour that it runs."""
    engine_start_s: Range = _placeholder(120, 300, 900)
    """Seconds from losing a replica to generating on the one in its place, which you pay for."""
    bytes_per_token: Range = _placeholder(2.0, 3.0, 5.0)
    """Stored bytes per token of a trace: token ids, messages and mask, compressed."""
    gb_month_price: Range = _placeholder(0.02, 0.023, 0.03)
    """Price of 10^9 stored bytes for a month."""
    months: Annotated[float, Field(ge=0)] = 1.0
    """How long journal and dataset are kept."""


def placeholders(figures: PlanFigures) -> list[str]:
    """Names of the figures that nobody has given or measured."""
    fields = PlanFigures.model_fields
    marked = [n for n, f in fields.items() if isinstance(f.json_schema_extra, dict)]
    return [name for name in marked if getattr(figures, name) == fields[name].default]


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a GPU generates with a model, and who says so."""

    output_tokens_per_gpu_s: list[float]
    source: str


def throughput(model: str, gpu: str) -> Throughput:
    """The published or derived speed of a model on a GPU type. Raises `FactoryError` if there is none."""
    known = settings.mapping(THROUGHPUT)
    if row := known.get(model, {}).get(gpu.lower()):
        return Throughput(**row)
    listed = "; ".join(f"{name}: {', '.join(rows)}" for name, rows in known.items())
    raise FactoryError(
        f"nothing is known of {model} on {gpu}",
        why=f"there are figures of {listed}",
        remedy="give your own: --figure output_tokens_per_gpu_s=[low,likely,high], or a small run: --pilot URI",
    )


def given(
    path: str | Path | None = None, overrides: list[str] | None = None, measured: dict[str, Any] | None = None
) -> PlanFigures:
    """Figures: the defaults, over them what was measured, over that a YAML file, over that `a.b=c` overrides."""
    values = settings.merge(PlanFigures().model_dump(), measured or {})
    if path is not None:
        values = settings.merge(values, settings.mapping(path, "the figures"))
    return settings.validate(PlanFigures, settings.override(values, overrides or []), str(path or "figures"))
