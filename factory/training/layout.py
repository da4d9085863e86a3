"""Layouts: how long the packs of a stage are, and how many GPUs share one sequence.

Memory of one GPU under FSDP2 over N GPUs, with bf16 arithmetic, float32 weights and Adam, full recomputation, and a
loss that never holds all logits:

    states = 16 B * P / N + 4 B * P_layer                     (two layers are gathered at a time)
    a      = 2 * hidden * layers + 34 * hidden + (4 * topk * (hidden + 3 * ffn) with experts)      bytes a token
    fits   = (0.9 * memory - states) / a                      tokens on one GPU

Rule: context parallelism only where memory demands it, the smallest power of two up to one node's eight GPUs. Without
it packs are the largest multiple of the edge that fits, at most eight edges; with it each trace is alone. A user may
pin both. Without a GPU the attention mask of a pack is dense, so longer packs only cost time: packs are of the edge.
"""

from __future__ import annotations

from dataclasses import dataclass

from factory.errors import FactoryError
from factory.recipe.train import Machine, StageChoice
from factory.training.student import Shape

MOST_CONTEXT_PARALLEL = 8
MOST_EDGES = 8
_USABLE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one stage is laid out. `lower` < trace length <= `edge`; all in tokens."""

    lower: int
    edge: int
    pack: int
    context_parallel: int = 1

    @property
    def packed(self) -> bool:
        """Whether several traces share a pack; under context parallelism each is alone (TRL refuses both at once)."""
        return self.context_parallel == 1

    @property
    def name(self) -> str:
        return f"stage-{self.edge // 1024}k" if self.edge % 1024 == 0 else f"stage-{self.edge}"


def fits(shape: Shape, machine: Machine) -> float:
    """Tokens that fit on one GPU beside weights, gradients and optimizer; below 0 where those do not fit either."""
    states = 16 * shape.parameters / machine.workers + 4 * shape.layer
    token = 2 * shape.hidden * shape.layers + 34 * shape.hidden
    if shape.experts:
        token += 4 * shape.experts_per_token * (shape.hidden + 3 * shape.ffn)
    return (_USABLE * machine.memory_gb * 1e9 - states) / token


def layout_of(choice: StageChoice, lower: int, shape: Shape, machine: Machine) -> Layout:
    """The layout of one stage by the rule, but for what the recipe pins. Raises `FactoryError` where none fits."""
    room = fits(shape, machine) if machine.gpu else float("inf")
    parallel = choice.context_parallel or _context_parallel(choice.edge, room, shape, machine)
    if parallel > machine.workers or machine.workers % parallel:
        raise FactoryError(
            f"a trace of {choice.edge:,} tokens needs {parallel} workers side by side",
            why=f"machine.workers is {machine.workers}, which is no multiple of that",
            remedy=f"set machine.workers to a multiple of {parallel}, or leave the stage {choice.edge} out",
        )
    if parallel > 1 and not machine.gpu:
        raise FactoryError(
            f"stage {choice.edge}: context_parallel is {parallel} without GPUs",
            why="ring attention exists for GPUs only",
            remedy="leave context_parallel out, or set machine.gpu",
        )
    edges = 1 if not machine.gpu or parallel > 1 else int(min(room // choice.edge, MOST_EDGES))
    return Layout(
        lower=lower, edge=choice.edge, pack=choice.pack or max(1, edges) * choice.edge, context_parallel=parallel
    )


def layouts(choices: tuple[StageChoice, ...], shape: Shape, machine: Machine) -> list[Layout]:
    """The layouts of all stages, in the order in which they are trained."""
    lowers = [0, *(choice.edge for choice in choices[:-1])]
    return [layout_of(choice, lower, shape, machine) for choice, lower in zip(choices, lowers, strict=True)]


def _context_parallel(edge: int, room: float, shape: Shape, machine: Machine) -> int:
    parallel = 1
    while edge / parallel > room:
        parallel *= 2
        if parallel > MOST_CONTEXT_PARALLEL:
            raise FactoryError(
                f"traces of {edge:,} tokens do not fit on {machine.workers} GPUs of {machine.memory_gb} GB",
                why=f"a student of {shape.parameters / 1e9:.3g}B weights leaves room for {max(0, room):,.0f} tokens on "
                f"each, and more than {MOST_CONTEXT_PARALLEL} GPUs do not share a sequence",
                remedy="give more workers (machine.workers) or larger GPUs (machine.memory_gb), leave the longest "
                "stage out, or export to Megatron, which also splits the weights of a layer",
            )
    return parallel
