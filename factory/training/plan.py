"""`factory plan train.yaml`: stages, steps, GPU-hours and price before anything is spent, beside one long run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from factory.engines.model_files import resolve
from factory.errors import FactoryError
from factory.recipe.train import Train, TrainingData
from factory.training import data
from factory.training.layout import fits
from factory.training.stages import Stage, planned
from factory.training.student import Shape, shape_of, special_tokens, tokenizer_digest

HOUR = 3600.0
HEAD = ["", "traces", "tokens", "pack", "CP", "packs", "fill", "packs/step", "steps", "s/step", "GPU-hours", "price"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a training will take. `single` is the same traces in one stage at the longest edge."""

    recipe: Train
    shape: Shape
    census: data.Census
    stages: list[Stage]
    single: Stage
    too_long: int
    retokenized: bool

    @property
    def gpu_hours(self) -> float:
        return sum(map(self.gpu_hours_of, self.stages))

    def gpu_hours_of(self, stage: Stage) -> float:
        return stage.seconds * self.recipe.machine.workers / HOUR if self.recipe.machine.gpu else 0.0

    def price(self, gpu_hours: float) -> float | None:
        price = self.recipe.prices.gpu_hour
        return None if price is None or not self.recipe.machine.gpu else gpu_hours * price

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "fingerprint": self.recipe.fingerprint,
            "parameters": self.shape.parameters,
            "retokenized": self.retokenized,
            "held_out": self.census.held_out,
            "too_long": self.too_long,
            "stages": [self._values(stage) for stage in self.stages],
            "single": self._values(self.single),
            "gpu_hours": self.gpu_hours,
            "price": self.price(self.gpu_hours),
            "notes": notes(self),
        }

    def _values(self, stage: Stage) -> dict[str, Any]:
        hours = self.gpu_hours_of(stage)
        return asdict(stage) | {
            "steps": stage.steps,
            "fill": stage.fill,
            "gpu_hours": hours,
            "price": self.price(hours),
        }


def plan(recipe: Train) -> TrainingPlan:
    """Plan a training. Raises `FactoryError` for whatever would stop it later: student, data, stages, layouts."""
    recipe = data.with_digests(recipe)
    directory = resolve(recipe.student.model, recipe.student.revision).directory
    special_tokens(directory)
    shape = shape_of(directory)
    retokenized = [retokenizes(recipe, one) for one in recipe.data]
    found = data.census(recipe)
    stages, single = planned(recipe, found, shape)
    return TrainingPlan(
        recipe=recipe,
        shape=shape,
        census=found,
        stages=stages,
        single=single,
        too_long=int((found.all() > recipe.choices[-1].edge).sum()),
        retokenized=any(retokenized),
    )


def retokenizes(recipe: Train, traces: TrainingData) -> bool:
    """Whether the ids of these traces have to become the student's. Raises `FactoryError` where they may not."""
    if recipe.student.tokens == "retokenize":
        return True
    student = tokenizer_digest(resolve(recipe.student.model, recipe.student.revision).directory / "tokenizer.json")
    teacher = tokenizer_digest(data.teacher_tokenizer(traces))
    if student != teacher and recipe.student.tokens == "as_published":
        raise FactoryError(
            f"the token ids of {traces.path} are not the student's",
            why=f"they come from the tokenizer {teacher}, the student {recipe.student.model} has {student}",
            remedy="say student.tokens: retokenize, or take a student with the teacher's tokenizer",
        )
    return student != teacher


def render(made: TrainingPlan) -> str:
    """A plan for a terminal: a line a stage, and the same traces in one stage beside them."""
    rows = [HEAD, *(_row(made, stage.layout.name, stage) for stage in made.stages)]
    total = made.gpu_hours
    tokens, steps = sum(s.tokens for s in made.stages), sum(s.steps for s in made.stages)
    blank = [""] * 4
    rows.append(["together", "", f"{tokens:,}", *blank, "", f"{steps:,}", "", *_money(made, total)])
    rows.append(_row(made, "in one stage", made.single))
    lines = [
        f"plan for {made.recipe.name}: {made.shape.parameters / 1e9:.3g}B weights, {made.recipe.epochs} epochs",
        "",
    ]
    lines += _aligned(rows)
    single = made.gpu_hours_of(made.single)
    if total:
        lines += ["", f"in one stage at {made.single.layout.edge:,} tokens: {single / total:.2f} times the GPU-hours"]
    return "\n".join([*lines, *(f"note: {note}" for note in notes(made))])


def notes(made: TrainingPlan) -> list[str]:
    """What the numbers rest on."""
    told = []
    if made.census.held_out:
        told.append(f"{made.census.held_out:,} traces are held out")
    if made.too_long:
        told.append(f"{made.too_long:,} traces are longer than the last edge and left out; none is cut")
    if made.retokenized:
        told.append("lengths are the teacher's: the student's tokens are counted when packs are written")
    if not made.recipe.machine.gpu:
        return [*told, "machine.gpu is false: packs are of the edge, and no GPU-hours are planned"]
    room = fits(made.shape, made.recipe.machine)
    told.append(
        f"{room:,.0f} tokens fit beside the weights on one of {made.recipe.machine.workers} GPUs of "
        f"{made.recipe.machine.memory_gb} GB; GPU-hours are a prior that may be 40 % off, until 20 steps of each stage "
        "have been measured (factory status)"
    )
    if made.single.layout.context_parallel > 1:
        told.append("the one stage counts as packed under context parallelism, as Megatron does it and TRL does not")
    return told


def _row(made: TrainingPlan, name: str, stage: Stage) -> list[str]:
    timed = f"{stage.seconds / stage.steps:.1f}" if stage.seconds else ""
    return [
        name,
        f"{stage.traces:,}",
        f"{stage.tokens:,}",
        f"{stage.layout.pack:,}",
        str(stage.layout.context_parallel),
        f"{stage.packs:,}",
        f"{stage.fill:.2f}",
        f"{stage.packs_per_step:,}",
        f"{stage.steps:,}",
        timed,
        *_money(made, made.gpu_hours_of(stage)),
    ]


def _money(made: TrainingPlan, hours: float) -> list[str]:
    price = made.price(hours)
    return [f"{hours:,.1f}" if hours else "", "" if price is None else f"{price:,.0f}"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    ]
