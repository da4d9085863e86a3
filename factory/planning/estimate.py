"""From a recipe and figures to what a run will draw, generate, store and cost. Pure functions over numbers.

A plan is worked out three times: with every figure at its cheap end, at its likeliest, and at its dear end. The ends
are what happens when everything goes well, or badly, at once; the truth of a real run lies well inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from factory.errors import FactoryError
from factory.planning.figures import PlanFigures, Range
from factory.recipe import Recipe, Solve, VllmSettings
from factory.records import Mode

Order = Literal["paper", "cheap_first"]
ORDERS: tuple[Order, ...] = ("paper", "cheap_first")
Heading = tuple[Mode, bool]


@dataclass(frozen=True, slots=True)
class Corner:
    """One way through all ranges: `cost` reads a figure that makes a run dearer as it grows, `gain` one that helps."""

    name: Literal["cheap", "likely", "dear"]

    def cost(self, figure: Range) -> float:
        return {"cheap": figure.low, "likely": figure.likely, "dear": figure.high}[self.name]

    def gain(self, figure: Range) -> float:
        return {"cheap": figure.high, "likely": figure.likely, "dear": figure.low}[self.name]


CORNERS = (Corner("cheap"), Corner("likely"), Corner("dear"))


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What enters a run: problems that sources state, and threads that problems are still to be found in."""

    problems: int
    threads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSize:
    """The unit in which GPUs come and go."""

    gpus: int
    sequences: int  # that it decodes at once
    chunk_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one order costs in one corner. Tokens and samples by (mode, with Python); time in hours."""

    problems: float  # that enter solve
    kept_problems: float  # that are not too easy
    kept_traces: float
    samples: dict[Heading, float]
    tokens_out: dict[Heading, float]
    tokens_in: dict[Heading, float]
    gpu_hours: float
    gpu_hours_lost: float  # of these, to preemptions
    preemptions: float
    tokens_read_again: float
    tokens_generated_again: float
    sandbox_core_hours: float
    journal_gb: float
    dataset_gb: float


def estimate(recipe: Recipe, figures: PlanFigures, inputs: PlanInputs, order: Order, corner: Corner) -> Estimate:
    """One order in one corner. Raises `FactoryError` if machines are taken away faster than they start."""
    found = inputs.problems + inputs.threads * corner.cost(figures.problems_per_thread)
    contaminated = corner.gain(figures.contaminated) if recipe.decontaminate.compares else 0.0
    problems = found * (1 - contaminated)
    easy = problems * corner.gain(figures.too_easy) if Mode.LOW in recipe.solve.modes else 0.0
    drawn = problems_drawn(recipe.solve, order, problems - easy, easy, corner.gain(figures.sealed))
    samples, out, read = _tokens(recipe.solve, figures, drawn, corner)
    totals = sum(samples.values()), sum(out.values()), sum(read.values())
    hours, lost, preemptions, again = _gpu_hours(recipe, figures, totals, corner)
    per_kept = recipe.solve.samples * (problems - easy)
    accepted = {heading: per_kept * corner.gain(figures.accepted.of(*heading)) for heading in samples}
    stored = corner.cost(figures.bytes_per_token) / 1e9
    length = {
        h: _written_per_sample(recipe.solve, figures, h, corner) + _read_per_sample(figures, h, corner) for h in samples
    }
    return Estimate(
        problems=problems,
        kept_problems=problems - easy,
        kept_traces=sum(accepted.values()),
        samples=samples,
        tokens_out=out,
        tokens_in=read,
        gpu_hours=hours,
        gpu_hours_lost=lost,
        preemptions=preemptions,
        tokens_read_again=again[0],
        tokens_generated_again=again[1],
        sandbox_core_hours=sum(n for (_, tool), n in samples.items() if tool)
        * corner.cost(figures.tool_seconds)
        / 3600,
        journal_gb=(sum(out.values()) + sum(read.values())) * stored,
        dataset_gb=sum(accepted[h] * length[h] for h in samples) * stored,
    )


def problems_drawn(
    solve: Solve, order: Order, hard: float, easy: float, sealed: float
) -> dict[Mode, tuple[float, float]]:
    """How many problems get samples in each mode: of those that stay, and of those that turn out too easy.

    As `programs/solve.py` does it. In the order of the paper the strongest and the low mode are drawn for all problems.
    `cheap_first` draws the strongest only for problems that low mode alone does not settle. What it saves on low-mode
    samples themselves (at most 3 of 16, which have begun by then) is not counted.
    """
    modes = [mode for mode in reversed(Mode) if mode in solve.modes]
    drawn = dict.fromkeys(modes, (hard, 0.0))
    if Mode.LOW in modes:
        drawn[modes[0]] = (hard, easy * (1 - sealed) if order == "cheap_first" else easy)
        drawn[Mode.LOW] = (hard, easy)
    return drawn


def hours_at(hours: float, gpus: int, replica: ReplicaSize, start_s: float) -> float:
    """Wall time of so many GPU-hours on so many GPUs. A replica takes its GPUs together: 12 GPUs are one of 8."""
    usable = gpus // replica.gpus * replica.gpus
    if not usable:
        raise FactoryError(
            f"{gpus} GPUs hold no replica",
            why=f"one takes {replica.gpus} (num_gpus x tensor_parallel_size)",
            remedy=f"plan with {replica.gpus} GPUs or more, or lower teacher.engine.tensor_parallel_size",
        )
    return start_s / 3600 + hours / usable


def replica_of(recipe: Recipe) -> ReplicaSize:
    """The teacher's replica. A server behind an endpoint counts as one GPU that nobody takes away."""
    engine = recipe.teacher.engine
    if not isinstance(engine, VllmSettings):
        return ReplicaSize(gpus=1, sequences=0, chunk_tokens=0)
    gpus = round(engine.num_gpus * engine.tensor_parallel_size)
    return ReplicaSize(gpus=max(1, gpus), sequences=engine.max_num_seqs, chunk_tokens=engine.chunk_tokens)


def _tokens(
    solve: Solve, figures: PlanFigures, drawn: Mapping[Mode, tuple[float, float]], corner: Corner
) -> tuple[dict[Heading, float], dict[Heading, float], dict[Heading, float]]:
    """Samples, generated tokens and tokens read, by mode and tool."""
    samples, out, read = {}, {}, {}
    for mode, (hard, easy) in drawn.items():
        for tool in (True, False):
            heading = (mode, tool)
            samples[heading] = solve.samples * (hard + easy)
            lengths = hard + easy * corner.cost(figures.easy_length)
            out[heading] = solve.samples * lengths * _written_per_sample(solve, figures, heading, corner)
            read[heading] = samples[heading] * _read_per_sample(figures, heading, corner)
    return samples, out, read


def _written_per_sample(solve: Solve, figures: PlanFigures, heading: Heading, corner: Corner) -> float:
    """The mean cannot exceed the budget of a sample."""
    return min(corner.cost(figures.tokens.of(*heading)), float(solve.sampling.max_tokens))


def _read_per_sample(figures: PlanFigures, heading: Heading, corner: Corner) -> float:
    """Each token of prompt and tool output once: the prefix cache keeps what a later turn repeats."""
    return corner.cost(figures.prompt_tokens) + (corner.cost(figures.tool_tokens) if heading[1] else 0.0)


def _gpu_hours(
    recipe: Recipe, figures: PlanFigures, totals: tuple[float, float, float], corner: Corner
) -> tuple[float, float, float, tuple[float, float]]:
    """GPU-hours, those of them lost to preemptions, preemptions, and tokens (read, generated) a second time.

    A preemption costs the start of another replica, a prefill of everything its sequences had so far, and on average
    half a chunk of each. A running sequence is as old, on average, as a whole one is long (lengths whose standard
    deviation equals their mean).
    """
    samples, out, read = totals
    replica = replica_of(recipe)
    writing = corner.gain(figures.output_tokens_per_gpu_s) * 3600
    reading = corner.gain(figures.input_tokens_per_gpu_s) * 3600
    hours = (out / writing + read / reading) / corner.gain(figures.busy)
    age = (out + read) / samples if samples else 0.0
    read_again, written_again = replica.sequences * age, replica.sequences * replica.chunk_tokens / 2
    start = replica.gpus * corner.cost(figures.engine_start_s) / 3600
    one = start + read_again / reading + written_again / writing
    rate = corner.cost(figures.preemptions_per_replica_hour) if replica.sequences else 0.0
    share = rate * one / replica.gpus
    if share >= 1:
        raise FactoryError(
            "this run would never end",
            why=f"each of {rate:g} preemptions an hour costs a replica {one / replica.gpus:.2f} hours",
            remedy="lower preemptions_per_replica_hour or engine_start_s",
        )
    total = hours / (1 - share)
    events = rate * total / replica.gpus
    return total, total - hours, events, (events * read_again, events * written_again)
