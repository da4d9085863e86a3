"""Plans against cases worked out by hand, and the counts of samples against the program that draws them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from factory.errors import FactoryError
from factory.planning.estimate import (
    CORNERS,
    ORDERS,
    PlanInputs,
    ReplicaSize,
    estimate,
    hours_at,
    problems_drawn,
    replica_of,
)
from factory.planning.figures import PlanFigures, given, placeholders
from factory.programs.solve import solve
from factory.recipe import Decontaminate, EndpointSettings, Solve, Teacher, VllmSettings
from factory.records import Mode
from tests.programs.test_solve import Scripted, modes, problem
from tests.store.test_run import recipe

CHEAP, LIKELY, DEAR = CORNERS
ENGINE = VllmSettings(tensor_parallel_size=8, num_gpus=1, max_num_seqs=100, chunk_tokens=64)
PAPER = recipe(teacher=Teacher(model="m", engine=ENGINE), solve=Solve(samples=8))


def figures(**changes) -> PlanFigures:
    """Exact figures, so that all corners agree unless a test opens a range."""
    exact = {
        "too_easy": 0.5,
        "sealed": 1,
        "easy_length": 0.5,
        "tokens": {
            "high": {"python": 1000, "none": 2000},
            "medium": {"python": 500, "none": 500},
            "low": {"python": 100, "none": 100},
        },
        "accepted": {mode: {"python": 0.5, "none": 0.25} for mode in ("high", "medium", "low")},
        "prompt_tokens": 100,
        "tool_tokens": 50,
        "tool_seconds": 3.6,
        "output_tokens_per_gpu_s": 1000,
        "input_tokens_per_gpu_s": 10_000,
        "busy": 1,
        "preemptions_per_replica_hour": 0,
        "engine_start_s": 360,
        "bytes_per_token": 2,
    }
    return PlanFigures.model_validate(exact | changes)


def test_the_order_of_the_paper_by_hand():
    e = estimate(PAPER, figures(), PlanInputs(1000), "paper", LIKELY)
    assert (e.problems, e.kept_problems) == (1000, 500)
    assert e.samples[Mode.HIGH, True] == 8 * 1000
    assert e.samples[Mode.MEDIUM, False] == 8 * 500  # too-easy problems have left by then
    assert e.tokens_out[Mode.HIGH, True] == 8 * (500 + 500 * 0.5) * 1000
    assert e.tokens_out[Mode.HIGH, False] == 12_000_000
    assert sum(e.tokens_out.values()) == 23_200_000
    assert e.tokens_in[Mode.HIGH, True] == 8000 * 150
    assert e.tokens_in[Mode.HIGH, False] == 8000 * 100
    assert sum(e.tokens_in.values()) == 5_000_000
    assert e.gpu_hours == pytest.approx((23_200 + 500) / 3600)
    assert e.kept_traces == 8 * 500 * 3 * (0.5 + 0.25)
    assert e.sandbox_core_hours == pytest.approx((8000 + 4000 + 8000) * 3.6 / 3600)
    assert e.journal_gb == pytest.approx(28_200_000 * 2 / 1e9)
    kept_tokens = 4000 * (0.5 * (1150 + 650 + 250) + 0.25 * (2100 + 600 + 200))
    assert e.dataset_gb == pytest.approx(kept_tokens * 2 / 1e9)


def test_cheap_first_by_hand():
    e = estimate(PAPER, figures(), PlanInputs(1000), "cheap_first", LIKELY)
    assert e.samples[Mode.HIGH, True] == 8 * 500
    assert e.samples[Mode.LOW, True] == 8 * 1000
    assert sum(e.tokens_out.values()) == 17_200_000
    assert e.gpu_hours == pytest.approx((17_200 + 400) / 3600)
    half_sealed = estimate(PAPER, figures(sealed=0.5), PlanInputs(1000), "cheap_first", LIKELY)
    assert half_sealed.samples[Mode.HIGH, True] == 8 * (500 + 250)


def test_a_preemption_costs_a_start_a_prefill_and_half_a_chunk():
    e = estimate(PAPER, figures(preemptions_per_replica_hour=0.5), PlanInputs(1000), "paper", LIKELY)
    base = (23_200 + 500) / 3600
    age = 28_200_000 / 40_000  # tokens that a running sequence has so far, on average
    one = 8 * 360 / 3600 + 100 * age / 36e6 + 100 * 32 / 3.6e6  # GPU-hours
    assert e.gpu_hours == pytest.approx(base / (1 - 0.5 * one / 8))
    assert e.gpu_hours_lost == pytest.approx(e.gpu_hours - base)
    assert e.preemptions == pytest.approx(0.5 * e.gpu_hours / 8)
    assert e.preemptions * one == pytest.approx(e.gpu_hours_lost)  # the loss is what the preemptions cost
    assert e.tokens_read_again == pytest.approx(e.preemptions * 100 * age)
    assert e.tokens_generated_again == pytest.approx(e.preemptions * 100 * 32)


def test_machines_that_vanish_faster_than_they_start_are_no_plan():
    with pytest.raises(FactoryError, match="never end"):
        estimate(PAPER, figures(preemptions_per_replica_hour=2, engine_start_s=1800), PlanInputs(10), "paper", LIKELY)


def test_wall_time_counts_whole_replicas():
    replica = ReplicaSize(gpus=8, sequences=1, chunk_tokens=1)
    assert hours_at(80, 20, replica, 360) == pytest.approx(0.1 + 80 / 16)
    with pytest.raises(FactoryError, match="7 GPUs hold no replica"):
        hours_at(80, 7, replica, 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("chosen", [tuple(Mode), (Mode.HIGH, Mode.LOW), (Mode.HIGH,), (Mode.LOW,), (Mode.MEDIUM,)])
@pytest.mark.parametrize("easy", [True, False])
async def test_samples_are_counted_as_the_program_draws_them(order, chosen, easy):
    ctx = Scripted(modes(low=("7",) * 16 if easy else ("1",) * 16), order=order, modes=chosen)
    await solve(problem(), ctx, ctx.settings, ctx.verification)
    drawn = Counter(ctx.drawn)
    dropped = easy and Mode.LOW in chosen
    counted = problems_drawn(ctx.settings, order, 0.0 if dropped else 1.0, 1.0 if dropped else 0.0, sealed=1.0)
    for mode in chosen:
        stopped = mode is Mode.LOW and order == "cheap_first" and easy and drawn[mode] == 13  # not counted, as it says
        assert 16 * sum(counted[mode]) == drawn[mode] or stopped, mode


def test_corners_surround_the_likely_one():
    opened = PlanFigures(problems=1000, preemptions_per_replica_hour=[0, 0.1, 0.2])
    for order in ORDERS:
        hours = [estimate(PAPER, opened, PlanInputs(1000), order, corner).gpu_hours for corner in CORNERS]
        assert hours[0] < hours[1] < hours[2]
        assert (
            estimate(PAPER, opened, PlanInputs(1000), "cheap_first", LIKELY).gpu_hours
            < estimate(PAPER, opened, PlanInputs(1000), "paper", LIKELY).gpu_hours
        )


def test_threads_become_problems_and_copies_of_benchmarks_leave():
    held = PAPER.model_copy(update={"decontaminate": Decontaminate(benchmarks=("b.jsonl",))})
    known = figures(problems_per_thread=[0.1, 0.5, 0.9], contaminated=[0, 0.1, 0.2])
    assert estimate(PAPER, known, PlanInputs(100, 1000), "paper", LIKELY).problems == 600
    assert estimate(held, known, PlanInputs(100, 1000), "paper", LIKELY).problems == pytest.approx(540)


def test_no_sample_is_longer_than_its_budget():
    short = recipe(solve=Solve.model_validate({"sampling": {"max_tokens": 300}}))
    e = estimate(short, figures(), PlanInputs(1000), "paper", LIKELY)
    assert e.tokens_out[Mode.HIGH, True] == 8 * 750 * 300
    assert e.tokens_out[Mode.LOW, True] == 8 * 750 * 100


def test_an_endpoint_is_not_taken_away():
    behind = recipe(teacher=Teacher(model="m", engine=EndpointSettings(url="http://x")))
    assert replica_of(behind) == ReplicaSize(gpus=1, sequences=0, chunk_tokens=0)
    e = estimate(behind, figures(preemptions_per_replica_hour=5), PlanInputs(1000), "paper", LIKELY)
    assert (e.preemptions, e.gpu_hours_lost) == (0, 0)


def test_a_replica_of_several_gpus_takes_them_all():
    assert replica_of(PAPER).gpus == 8
    assert replace(replica_of(PAPER), gpus=1).sequences == 100


def test_the_default_lengths_lie_within_the_published_buckets():
    """NM, Table 2: 6197, 489, 296 and 43 thousand traces up to 16, 32, 64 and 128 thousand tokens bound their mean."""
    low = (489 * 16 + 296 * 32 + 43 * 64) / 7025
    high = (6197 * 16 + 489 * 32 + 296 * 64 + 43 * 128) / 7025
    released = {Mode.HIGH: 2.9, Mode.MEDIUM: 2.5, Mode.LOW: 1.7}  # million rows
    tokens = PlanFigures().tokens
    mean = sum(n * sum(tokens.of(mode, tool).likely for tool in (True, False)) / 2 for mode, n in released.items())
    assert low < mean / sum(released.values()) / 1000 < high


def test_figures_come_from_defaults_pilot_file_and_command_line_in_this_order(tmp_path):
    (tmp_path / "mine.yaml").write_text("gpu_hour_price: 2\ntokens: {high: {python: [1, 2, 3]}}\n")
    known = given(
        tmp_path / "mine.yaml", ["gpu_hour_price=[3, 4, 5]"], {"tokens": {"high": {"python": 9, "none": 8}}, "busy": 1}
    )
    assert (known.gpu_hour_price.low, known.gpu_hour_price.high) == (3, 5)
    assert (known.tokens.high.python.likely, known.tokens.high.none.likely) == (2, 8)
    assert known.tokens.low == PlanFigures().tokens.low
    assert "busy" not in placeholders(known)
    assert "gpu_hour_price" in placeholders(PlanFigures())
    assert "too_easy" not in placeholders(PlanFigures())  # published


@pytest.mark.parametrize(
    ("bad", "said"),
    [("busy=1.5", "at most 1"), ("months=-1", "months"), ("busi=1", "did you mean 'busy'"), ("busy=[3, 2, 1]", "fall")],
)
def test_a_wrong_figure_is_named(bad, said):
    with pytest.raises(FactoryError, match=said):
        given(overrides=[bad])


def test_the_defaults_give_back_the_release_that_they_come_from():
    """NM: 826K candidates, 347K problems kept, 7.09M released rows."""
    e = estimate(recipe(), PlanFigures(), PlanInputs(826_000), "paper", LIKELY)
    assert e.kept_problems == pytest.approx(347_000, rel=0.01)
    assert e.kept_traces == pytest.approx(7_086_000, rel=0.02)
