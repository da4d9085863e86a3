"""`factory plan`: both orders side by side, as ranges, with prices; and what the numbers rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from factory import sources
from factory.errors import FactoryError
from factory.planning import pilot
from factory.planning.estimate import CORNERS, ORDERS, Estimate, Order, PlanInputs, estimate, hours_at, replica_of
from factory.planning.figures import PlanFigures, given, placeholders, throughput
from factory.recipe import EndpointSettings, Recipe, VllmSettings
from factory.records import Mode, Problem, Thread

Span = tuple[float, float, float]
"""Least, likely, most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`quantities[order][name]`; names end in their unit where they have one."""

    recipe: Recipe
    figures: PlanFigures
    inputs: PlanInputs
    quantities: dict[Order, dict[str, Span]]
    measured: list[str]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        spans = {
            order: {name: dict(zip(("low", "likely", "high"), span, strict=True)) for name, span in values.items()}
            for order, values in self.quantities.items()
        }
        return {
            "recipe": self.recipe.name,
            "order": self.recipe.solve.order,
            "problems": self.inputs.problems,
            "threads": self.inputs.threads,
            "orders": spans,
            "measured": self.measured,
            "placeholders": [name for name in placeholders(self.figures) if name not in self.measured],
            "notes": self.notes,
            "figures": self.figures.model_dump(),
        }


def plan(
    recipe: Recipe,
    gpus: Sequence[int] = (),
    *,
    figures: str | None = None,
    overrides: list[str] | None = None,
    pilot_uri: str | None = None,
    pilot_gpus: int | None = None,
    gpu: str | None = None,
) -> Plan:
    """Plan a run at each of the given numbers of GPUs; at the recipe's most replicas if none is given.

    `gpu` names the type, for what is published of the teacher on it; what a pilot measured comes before that.
    """
    measured = pilot.measure(pilot_uri, recipe, pilot_gpus) if pilot_uri else pilot.PilotFigures()
    published = throughput(recipe.teacher.model, gpu) if gpu else None
    speed = {"output_tokens_per_gpu_s": published.output_tokens_per_gpu_s} if published else {}
    known = given(figures, overrides, speed | measured.figures)
    inputs = PlanInputs(known.problems) if known.problems else _counted(recipe)
    fleets = sorted(set(gpus)) or [_most(recipe)]
    values = {order: _spans(recipe, known, inputs, order, fleets) for order in ORDERS}
    notes = [*measured.notes, *_notes(recipe, fleets)]
    if published and "output_tokens_per_gpu_s" not in measured.figures:
        notes.append(f"output_tokens_per_gpu_s of {gpu}: {published.source}")
    return Plan(
        recipe=recipe,
        figures=known,
        inputs=inputs,
        quantities=values,
        measured=sorted(measured.figures),
        notes=notes,
    )


def count(recipe: Recipe) -> PlanInputs:
    """Read the sources through once, as a run would, and count what is in them."""
    problems = threads = 0
    for source in recipe.sources:
        taken = 0
        for split in sources.splits(source):
            for row in sources.read(split):
                if source.limit and taken >= source.limit:
                    break
                taken += 1
                problems += isinstance(row, Problem)
                threads += isinstance(row, Thread)
    return PlanInputs(problems, threads)


def render(made: Plan) -> str:
    """A plan for a terminal: one line a quantity, `likely (least - most)` for each order."""
    names = list(made.quantities["paper"])
    threads = f" and {made.inputs.threads:,} threads" if made.inputs.threads else ""
    heads = [f"{order} (this recipe)" if order == made.recipe.solve.order else order for order in ORDERS]
    table = [["", *heads], *([name, *(_text(made.quantities[order][name]) for order in ORDERS)] for name in names)]
    widths = [max(len(row[column]) for row in table) + 2 for column in range(len(table[0]))]
    lines = [
        f"plan for {made.recipe.name}: {made.inputs.problems:,} problems{threads}",
        "",
        *("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table),
        "",
        "likely (all figures at their cheap end - all at their dear end)",
    ]
    still = [name for name in placeholders(made.figures) if name not in made.measured]
    if made.measured:
        lines.append(f"measured by the pilot: {', '.join(made.measured)}")
    if still:
        lines.append(f"still placeholders, give your own with --figure: {', '.join(still)}")
    return "\n".join(lines + [f"note: {note}" for note in made.notes])


def _counted(recipe: Recipe) -> PlanInputs:
    try:
        return count(recipe)
    except FactoryError as error:
        raise FactoryError(
            "cannot count the problems",
            why=str(error),
            remedy="mend the source, or say how many: --figure problems=100000",
        ) from None


def _spans(
    recipe: Recipe, figures: PlanFigures, inputs: PlanInputs, order: Order, fleets: Sequence[int]
) -> dict[str, Span]:
    estimates = [estimate(recipe, figures, inputs, order, corner) for corner in CORNERS]
    rows = [_quantities(e) for e in estimates]
    values = {name: _span([row[name] for row in rows]) for name in rows[0]}
    replica = replica_of(recipe)
    for gpus in fleets:
        hours = [
            hours_at(e.gpu_hours, gpus, replica, corner.cost(figures.engine_start_s))
            for corner, e in zip(CORNERS, estimates, strict=True)
        ]
        prices = [
            e.gpu_hours * corner.cost(figures.gpu_hour_price)
            + wall * corner.cost(figures.other_hour_price)
            + (e.journal_gb + e.dataset_gb) * figures.months * corner.cost(figures.gb_month_price)
            for corner, e, wall in zip(CORNERS, estimates, hours, strict=True)
        ]
        per_trace = [price / max(e.kept_traces, 1) for price, e in zip(prices, estimates, strict=True)]
        fleet = f"at {gpus} GPU" + ("s" if gpus > 1 else "")
        values |= {f"hours {fleet}": _span(hours), f"price {fleet}": _span(prices)}
        values[f"price per kept trace {fleet}"] = _span(per_trace)
    return values


def _quantities(e: Estimate) -> dict[str, float]:
    """The rows of the table, in its order."""
    modes = [mode for mode in reversed(Mode) if (mode, True) in e.samples]

    def both(values: dict[tuple[Mode, bool], float], mode: Mode) -> float:
        return values[mode, True] + values[mode, False]

    rows = {"problems to solve": e.problems, "problems kept": e.kept_problems, "traces kept": e.kept_traces}
    rows |= {"samples": sum(e.samples.values())} | {f"samples, {mode}": both(e.samples, mode) for mode in modes}
    rows |= {"tokens out": sum(e.tokens_out.values())}
    for mode in modes:
        rows[f"tokens out, {mode} with Python"] = e.tokens_out[mode, True]
        rows[f"tokens out, {mode} without"] = e.tokens_out[mode, False]
    rows |= {"tokens in": sum(e.tokens_in.values())}
    rows |= {f"tokens in, {mode}": both(e.tokens_in, mode) for mode in modes}
    return rows | {
        "sandbox core-hours": e.sandbox_core_hours,
        "GPU-hours": e.gpu_hours,
        "GPU-hours lost to preemptions": e.gpu_hours_lost,
        "preemptions": e.preemptions,
        "tokens read again": e.tokens_read_again,
        "tokens generated again": e.tokens_generated_again,
        "journal GB": e.journal_gb,
        "dataset GB": e.dataset_gb,
    }


def _span(values: Sequence[float]) -> Span:
    """Sorted around the likely one: cheap is not always less (more problems kept make a trace cheaper)."""
    return min(values), values[1], max(values)


def _most(recipe: Recipe) -> int:
    engine = recipe.teacher.engine
    replicas = engine.replicas[1] if isinstance(engine, VllmSettings) else 1
    return replica_of(recipe).gpus * max(1, replicas)


def _notes(recipe: Recipe, fleets: Sequence[int]) -> list[str]:
    engine = recipe.teacher.engine
    asks = recipe.verify.judge != "never" or recipe.decontaminate.judge != "never"
    curates = any(source.kind != "table" for source in recipe.sources)
    checks: list[tuple[bool, Callable[[], str]]] = [
        (asks or curates, lambda: "what curator and judge read and write is not counted"),
        (
            isinstance(engine, EndpointSettings),
            lambda: "the teacher is behind an endpoint: GPUs stand for those of its server",
        ),
        (
            isinstance(engine, VllmSettings) and engine.num_gpus == 0,
            lambda: "the teacher runs on CPUs: a GPU stands for one replica",
        ),
        (
            isinstance(engine, VllmSettings) and max(fleets) > _most(recipe),
            lambda: f"the recipe's teacher.engine.replicas holds the pool at {_most(recipe)} GPUs",
        ),
    ]
    return [say() for applies, say in checks if applies]


def _text(span: Span) -> str:
    low, likely, high = map(_number, span)
    return likely if low == high else f"{likely} ({low} - {high})"


def _number(value: float) -> str:
    """Three digits that mean something: 31.2M, 4.05B, 12."""
    for unit, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= unit * 0.9995:
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}"
