"""The layout rule and the cost model against figures that others can check."""

from __future__ import annotations

import dataclasses

import pytest

from factory.errors import FactoryError
from factory.recipe.train import PUBLISHED_EDGES, Machine, StageChoice
from factory.training.cost import Parallel, Work, seconds
from factory.training.layout import fits, layouts
from factory.training.student import Shape, shape_of
from tests.training.support import TEACHER

QWEN3_8B = Shape(hidden=4096, layers=36, heads=32, kv_heads=8, head_dim=128, ffn=12288, vocabulary=151_936, tied=False)
QWEN3_30B = Shape(
    hidden=2048,
    layers=48,
    heads=32,
    kv_heads=4,
    head_dim=128,
    ffn=768,
    vocabulary=151_936,
    tied=False,
    experts=128,
    experts_per_token=8,
)
DENSE_70B = Shape(
    hidden=8192, layers=80, heads=64, kv_heads=8, head_dim=128, ffn=28_672, vocabulary=128_256, tied=False
)
EDGES = tuple(StageChoice(edge=edge) for edge in PUBLISHED_EDGES)


def test_weights_are_counted_as_their_makers_count_them():
    assert QWEN3_8B.parameters == pytest.approx(8.19e9, rel=0.01)
    assert QWEN3_30B.parameters == pytest.approx(30.5e9, rel=0.01)
    assert QWEN3_30B.active == pytest.approx(3.3e9, rel=0.02)
    assert DENSE_70B.parameters == pytest.approx(70.6e9, rel=0.01)


def test_the_shape_of_a_model_folder_counts_its_weights():
    from safetensors import safe_open

    with safe_open(TEACHER / "model.safetensors", "pt") as file:
        there = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert shape_of(TEACHER).parameters == pytest.approx(there, rel=0.01)


@pytest.mark.parametrize(
    ("shape", "workers", "memory", "room", "parallel"),
    [
        (QWEN3_8B, 8, 80, 126_000, [1, 1, 1, 2]),
        (QWEN3_8B, 8, 141, 252_000, [1, 1, 1, 1]),
        (QWEN3_30B, 16, 80, 96_000, [1, 1, 1, 2]),
        (DENSE_70B, 32, 80, 21_000, [1, 2, 4, 8]),
    ],
)
def test_context_is_shared_only_where_memory_demands_it(shape, workers, memory, room, parallel):
    machine = Machine(workers=workers, memory_gb=memory)
    assert fits(shape, machine) == pytest.approx(room, rel=0.01)
    made = layouts(EDGES, shape, machine)
    assert [layout.context_parallel for layout in made] == parallel
    for layout in made:
        assert layout.pack % layout.edge == 0
        assert layout.pack / layout.context_parallel <= fits(shape, machine)
        assert layout.packed == (layout.context_parallel == 1)


def test_what_fits_nowhere_is_an_error_that_says_what_to_change():
    with pytest.raises(FactoryError, match=r"do not fit on 16 GPUs") as error:
        layouts(EDGES, DENSE_70B, Machine(workers=16, memory_gb=80))
    assert "machine.workers" in error.value.remedy


def test_a_stage_that_needs_more_workers_than_there_are_is_refused():
    with pytest.raises(FactoryError, match="needs 2 workers side by side"):
        layouts(EDGES, QWEN3_30B, Machine(workers=15, memory_gb=80))
    with pytest.raises(FactoryError, match="without GPUs"):
        layouts((StageChoice(edge=128, context_parallel=2),), QWEN3_8B, Machine(workers=2, gpu=False))


PAPER = [  # edge, mean length, traces a pack, context, experts, seconds a step: Nemotron-Math with Qwen3-30B-A3B
    (4_600, 3.455, 2, 4, 18.0),
    (21_800, 1, 4, 8, 114.9),
    (43_400, 1, 8, 8, 182.8),
    (87_000, 1, 8, 8, 491.7),
]


def step(length: int, together: float, context: int, expert: int) -> float:
    """Seconds of a step of 2,048 traces on 256 H100s with tensor parallelism of 4."""
    rounds = -(-2048 / together // (256 / (4 * context)))
    work = Work(rounds * together * length, 1.1 * rounds * together * length**2, rounds)
    return seconds(QWEN3_30B, Machine(workers=256), Parallel(context, 4, expert), work)


@pytest.mark.parametrize(("length", "together", "context", "expert", "published"), PAPER)
def test_the_model_meets_the_papers_step_times_to_a_quarter(length, together, context, expert, published):
    assert step(length, together, context, expert) == pytest.approx(published, rel=0.25)


def test_short_traces_in_the_long_layout_cost_more_as_in_the_paper():
    """18 s against 25 s there; the model says more, and nothing of the rest of the paper's factor of 2.2."""
    assert 1.3 < step(4_600, 6.9, 8, 8) / step(4_600, 3.455, 2, 4) < 2.2


def test_more_gpus_on_one_sequence_never_make_it_dearer_than_the_work():
    work = Work(131_072, 131_072.0**2, 1)
    alone = seconds(QWEN3_8B, Machine(), Parallel(), work)
    for context in (2, 4, 8):
        shared = seconds(QWEN3_8B, Machine(), Parallel(context), work)
        assert alone / context < shared < alone


def test_a_plan_without_gpus_packs_to_the_edge():
    (made,) = layouts((StageChoice(edge=128),), dataclasses.replace(QWEN3_8B), Machine(gpu=False))
    assert (made.pack, made.context_parallel, made.name) == (128, 1, "stage-128")
