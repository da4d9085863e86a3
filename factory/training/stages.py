"""Stages: which traces each bucket trains on, in how many packs and steps, and what the cost model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from factory.errors import FactoryError
from factory.recipe.train import Train
from factory.training.cost import Parallel, Work, seconds
from factory.training.data import Census
from factory.training.layout import Layout, layouts
from factory.training.student import Shape
from factory.views.packing import best_fit

CHUNK = 8192
"""Traces that are packed together: enough for full packs, few enough that epochs have other neighbours."""
_MOST_PACKED = 25 * CHUNK
"""Traces whose packs a plan counts; what there is beyond that is scaled up."""
Lengths = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage. Numbers are of all epochs together; lengths in tokens, time in seconds by the model."""

    layout: Layout
    traces: int
    mixed: int  # of the traces, those drawn from earlier buckets
    tokens: int
    packs: int
    packs_per_step: int
    seconds: float

    @property
    def steps(self) -> int:
        return steps_of(self.packs, self.packs_per_step)

    @property
    def fill(self) -> float:
        return self.tokens / (self.packs * self.layout.pack)


def steps_of(packs: int, packs_per_step: int) -> int:
    """The last step is filled up with the stage's first packs, so that no trace is left out."""
    return -(-packs // packs_per_step)


def packs_per_step(batch: int, traces: int, packs: int, replicas: int) -> int:
    """Packs of one step, so that it holds `batch` traces on average and every replica has the same number of packs.

    Raises `FactoryError` where there are fewer packs than replicas: some would have nothing to do.
    """
    most = packs // replicas * replicas
    if not most:
        raise FactoryError(
            f"{packs} packs of traces for {replicas} workers",
            why="each worker needs a pack of its own in every step",
            remedy="give fewer workers (machine.workers), shorter packs (stages), or more data",
        )
    return min(most, max(1, round(batch * packs / traces / replicas)) * replicas)


def planned(recipe: Train, found: Census, shape: Shape) -> tuple[list[Stage], Stage]:
    """The stages that have traces, and beside them one that trains on the same traces all at the longest edge.

    Raises `FactoryError` for a stage that the recipe names and that has no traces, before anything is spent.
    """
    plans = layouts(recipe.choices, shape, recipe.machine)
    everything = found.all()
    own = [everything[(everything > plan.lower) & (everything <= plan.edge)] for plan in plans]
    for plan, lengths in zip(plans, own, strict=True):
        if not len(lengths) and recipe.stages != "auto":
            raise FactoryError(
                f"there are no traces of {plan.lower + 1:,} to {plan.edge:,} tokens",
                why=f"lengths go from {everything.min():,} to {everything.max():,}",
                remedy=f"take the stage {plan.edge} out of stages, or say stages: auto",
            )
    kept = [(plan, lengths) for plan, lengths in zip(plans, own, strict=True) if len(lengths)]
    lowers = [0, *(plan.edge for plan, _ in kept)]  # no gap where an empty bucket stood: retokenized lengths are others
    kept = [(replace(plan, lower=lower), lengths) for lower, (plan, lengths) in zip(lowers, kept, strict=False)]
    if not kept:
        raise FactoryError(
            f"every trace is longer than the longest stage, {plans[-1].edge:,} tokens",
            remedy="add a longer stage; traces are never cut",
        )
    mixed = mixed_lengths(recipe, found, kept[-1][0], len(kept[-1][1]))
    stages = [stage(recipe, shape, plan, lengths) for plan, lengths in kept[:-1]]
    last, lengths = kept[-1]
    stages.append(stage(recipe, shape, last, np.concatenate([lengths, mixed]), len(mixed) * recipe.epochs))
    return stages, stage(recipe, shape, last, np.concatenate([lengths for _, lengths in kept]), packed=True)


def stage(
    recipe: Train, shape: Shape, layout: Layout, lengths: Lengths, mixed: int = 0, *, packed: bool = False
) -> Stage:
    """One stage of these traces. `packed`: as if packs and context parallelism went together, as in Megatron."""
    together = layout.packed or packed
    packs = recipe.epochs * (_count_packs(lengths, layout.pack) if together else len(lengths))
    traces, tokens = recipe.epochs * len(lengths), recipe.epochs * int(lengths.sum())
    replicas = recipe.machine.workers // layout.context_parallel
    work = Work(tokens, float(recipe.epochs * (lengths.astype(float) ** 2).sum()), packs)
    took = seconds(shape, recipe.machine, Parallel(layout.context_parallel), work) / replicas
    return Stage(
        layout=layout,
        traces=traces,
        mixed=mixed,
        tokens=tokens,
        packs=packs,
        packs_per_step=packs_per_step(recipe.batch, traces, packs, replicas),
        seconds=took if recipe.machine.gpu else 0.0,
    )


def mix_shares(recipe: Train, found: Census, last: Layout, own: int) -> dict[str, float]:
    """Of the earlier buckets' traces of each mode, the share that makes up its part of the last stage."""
    left = 1 - sum(recipe.mixed.values())
    shares = {}
    for mode, part in recipe.mixed.items():
        lengths = found.of_mode(mode.value)
        there = int((lengths <= last.lower).sum())
        shares[mode.value] = min(1.0, part / left * own / there) if there else 0.0
    return shares


def mixed_lengths(recipe: Train, found: Census, last: Layout, own: int) -> Lengths:
    """Lengths like those of the traces that the last stage draws from earlier buckets."""
    drawn = [np.zeros(0, np.int64)]
    for mode, share in mix_shares(recipe, found, last, own).items():
        lengths = np.sort(found.of_mode(mode))
        earlier = lengths[lengths <= last.lower]
        count = round(share * len(earlier))
        drawn.append(earlier[np.linspace(0, len(earlier) - 1, count).astype(int)] if count else drawn[0])
    return np.concatenate(drawn)


def _count_packs(lengths: Sequence[int] | Lengths, capacity: int) -> int:
    """How many packs the traces make, by packing them, or the first of them."""
    values = np.asarray(lengths).tolist()
    counted = values[:_MOST_PACKED]
    packs = sum(len(best_fit(counted[at : at + CHUNK], capacity)) for at in range(0, len(counted), CHUNK))
    scale: float = sum(values) / max(1, sum(counted))
    return max(1, round(packs * scale))
