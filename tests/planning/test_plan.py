"""`factory plan`: what a user sees, and what a pilot run tells it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.planning import pilot
from factory.planning.plan import count, plan, render
from factory.recipe import Decontaminate, Solve, Source, Teacher
from factory.records import Mode, ToolCall
from factory.store.run import Run
from tests.store.rows import problem, reject, trace, verdict
from tests.store.test_run import recipe


def lines(path, n: int) -> str:
    path.write_text(
        "".join(json.dumps({"id": f"p{i}", "problem": f"What is {i}+1?", "answer": "2"}) + "\n" for i in range(n))
    )
    return str(path)


@pytest.fixture
def written(tmp_path) -> str:
    values = {
        "name": "small",
        "sources": [{"path": lines(tmp_path / "problems.jsonl", 50)}],
        "teacher": {"model": "m", "engine": {"tensor_parallel_size": 2, "replicas": [1, 4]}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return str(tmp_path / "recipe.yaml")


def a_pilot(place, order: str = "cheap_first") -> Run:
    """Four problems that stay with long samples; two too easy, one of them dropped before any high-mode sample."""
    ran = recipe(solve=Solve(samples=2, order=order), decontaminate=Decontaminate(benchmarks=("b.jsonl",)))
    run = Run.open(str(place), ran)
    writer = run.writer("w1", ran.journal)
    for n in range(4):
        of = problem(f"p{n}")
        mine = [
            trace(of.id, mode, tool, s, n_tokens=length + 3 + 10 * n, answer="7" if s else "8")
            for mode, length in ((Mode.HIGH, 800), (Mode.LOW, 100))
            for tool in (True, False)
            for s in range(2)
        ]
        call = ToolCall(code="1", status="ok", seconds=0.5)
        mine = [replace(t, tool_calls=[call, call], n_tool_tokens=40) if t.tool else t for t in mine]
        for row in [*mine, verdict(of, mine)]:
            writer.append(row)
    for name, drawn in (("e1", (Mode.LOW,)), ("e2", (Mode.LOW, Mode.HIGH))):
        for mode in drawn:
            writer.append(trace(name, mode, True, 0, n_tokens=53))
        writer.append(reject(problem(name)))
    writer.append(reject(problem("copy"), "contaminated", "decontaminate"))
    writer.append(reject(problem("proof"), "proof", "curate"))  # never reached solve
    writer.append(trace("p0", Mode.HIGH, True, 0, n_tokens=9999))  # journaled twice: the first counts
    writer.close()
    return run


def test_a_pilot_measures_lengths_pass_rates_and_shares(tmp_path):
    found = pilot.measure(a_pilot(tmp_path).uri, recipe(solve=Solve(samples=2, order="cheap_first")))
    figures = found.figures
    assert figures["tokens"]["high"]["none"]["likely"] == 815  # 800, 810, 820, 830: problems that stay alone
    assert figures["tokens"]["low"]["python"]["likely"] == 115
    assert "medium" not in figures["tokens"]  # not drawn: the default stays
    assert figures["tool_tokens"]["likely"] == pytest.approx(40 * 16 / 19)  # the too-easy ones' samples called nothing
    assert figures["tool_seconds"]["likely"] == pytest.approx((16 * 1.0 + 3 * 0.01) / 19)
    assert figures["too_easy"]["likely"] == pytest.approx(2 / 6)
    assert figures["contaminated"]["likely"] == pytest.approx(1 / 7)
    assert figures["sealed"]["likely"] == 0.5
    assert figures["easy_length"]["likely"] == pytest.approx(50 / 115)
    assert figures["accepted"]["high"]["python"] == {"low": 0.5, "likely": 0.5, "high": 0.5}
    assert found.notes == []


def test_a_pilot_that_held_nothing_against_benchmarks_says_nothing_of_them(tmp_path):
    ran = recipe()
    run = Run.open(str(tmp_path), ran)
    mine = [trace("p0", Mode.HIGH, n_tokens=803)]
    writer = run.writer("w1", ran.journal)
    for row in [*mine, verdict(problem("p0"), mine)]:
        writer.append(row)
    writer.close()
    assert "contaminated" not in pilot.measure(run.uri, ran).figures


def test_the_duplicate_of_a_journaled_sample_counts_once(tmp_path):
    run = a_pilot(tmp_path)
    again = recipe(solve=Solve(samples=2, order="cheap_first"))
    assert pilot.measure(run.uri, again).figures["tokens"]["high"]["python"]["high"] < 1000


def test_a_pilot_of_another_teacher_says_so(tmp_path):
    found = pilot.measure(a_pilot(tmp_path).uri, recipe(solve=Solve(samples=4)))
    assert found.notes == ["the pilot differs in solve.samples: 2 -> 4"]
    assert "sealed" not in pilot.measure(a_pilot(tmp_path / "b", "paper").uri, recipe()).figures


def test_an_unfinished_pilot_is_refused(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    with pytest.raises(FactoryError, match="nothing to plan from"):
        pilot.measure(run.uri, recipe())
    with pytest.raises(FactoryError, match="no run"):
        pilot.measure(str(tmp_path / "nowhere"), recipe())


def test_speed_needs_the_number_of_gpus_and_more_than_one_part(tmp_path):
    import os

    run = a_pilot(tmp_path)
    assert "busy" not in pilot.measure(run.uri, recipe(), gpus=4).figures  # one part: no time to measure
    ran = recipe(solve=Solve(samples=2, order="cheap_first"))
    writer = run.writer("w2", ran.journal)
    writer.append(trace("p9", Mode.HIGH, n_tokens=8003))
    writer.close()
    first, second = sorted((tmp_path / "journal" / "traces").iterdir())
    os.utime(first, (1_000_000, 1_000_000))
    os.utime(second, (1_000_010, 1_000_010))
    figures = pilot.measure(run.uri, ran, gpus=4).figures
    assert figures["output_tokens_per_gpu_s"]["likely"] == 8000 / 10 / 4
    assert figures["busy"]["likely"] == 1
    assert "output_tokens_per_gpu_s" not in pilot.measure(run.uri, ran).figures


def test_intervals_are_the_textbook_ones():
    # clusters (1, 3), (5, 7): mean 4; totals 4 - 8 = -4 and 12 - 8 = 4; se = sqrt(32 * 2 / 1) / 4 = 2
    assert pilot.mean([[1, 3], [5, 7]]) == pytest.approx({"low": 4 - 1.96 * 2, "likely": 4, "high": 4 + 1.96 * 2})
    assert pilot.mean([[10, 10]]) == {"low": 5, "likely": 10, "high": 20}
    tenth = pilot.proportion(1, 10)  # Wilson, 95 %
    assert (tenth["low"], tenth["high"]) == pytest.approx((0.01788, 0.40415), abs=1e-4)
    assert pilot.proportion(0, 10)["low"] == 0
    assert pilot.proportion(0, 0) == {"low": 0, "likely": 0, "high": 1}


def test_problems_are_counted_where_no_number_is_given(tmp_path):
    path = lines(tmp_path / "p.jsonl", 30)
    assert count(recipe(sources=[Source(path=path)])).problems == 30
    assert count(recipe(sources=[Source(path=path, limit=7), Source(path=path)])).problems == 37


def test_sources_that_are_not_there_yet_need_a_number(tmp_path):
    absent = recipe(sources=[Source(path=str(tmp_path / "later.jsonl"))])
    with pytest.raises(FactoryError, match=r"later\.jsonl") as refused:
        plan(absent)
    assert "--figure problems=" in refused.value.remedy
    assert plan(absent, overrides=["problems=9"]).inputs.problems == 9


def test_the_command_prints_both_orders(written):
    result = CliRunner().invoke(app, ["plan", written, "--gpus", "8", "--gpus", "2", "--figure", "gpu_hour_price=2"])
    assert result.exit_code == 0, result.output
    assert "50 problems" in result.output
    assert "paper (this recipe)" in result.output
    assert "cheap_first" in result.output
    assert result.output.index("price at 2 GPUs") < result.output.index("price at 8 GPUs")
    placeholders = next(line for line in result.output.splitlines() if line.startswith("still placeholders"))
    assert "busy" in placeholders
    assert "gpu_hour_price" not in placeholders


def test_json_holds_every_range_and_the_figures(written):
    result = CliRunner().invoke(app, ["plan", written, "--json", "--set", "solve.order=cheap_first"])
    made = json.loads(result.stdout)
    assert (made["order"], made["problems"]) == ("cheap_first", 50)
    for order in ("paper", "cheap_first"):
        for name, span in made["orders"][order].items():
            assert span["low"] <= span["likely"] <= span["high"], name
        assert "price at 8 GPUs" in made["orders"][order]  # four replicas of two
    assert made["figures"]["busy"] == {"low": 0.6, "likely": 0.8, "high": 0.95}


def test_prices_by_hand(written):
    """One GPU-hour for each token: price = hours x GPU price + wall x the rest, and no storage."""
    from factory.recipe import load

    exact = [
        "problems=1", "too_easy=0", "busy=1", "preemptions_per_replica_hour=0", "engine_start_s=0", "gb_month_price=0",
        "prompt_tokens=0", "tool_tokens=0", "gpu_hour_price=2", "other_hour_price=3",
        "output_tokens_per_gpu_s=0.000277777777777778", "accepted.high={python: 1, none: 1}",
    ]  # fmt: skip
    exact += [f"tokens.{mode}={{python: 1, none: 1}}" for mode in ("high", "medium", "low")]
    chosen = load(written, ["solve.modes=[high]", "solve.samples=4"])
    spans = plan(chosen, [4], overrides=exact).quantities["paper"]
    assert spans["GPU-hours"] == pytest.approx((8, 8, 8))
    assert spans["hours at 4 GPUs"] == pytest.approx((2, 2, 2))
    assert spans["price at 4 GPUs"] == pytest.approx((22, 22, 22))
    assert spans["price per kept trace at 4 GPUs"] == pytest.approx((2.75, 2.75, 2.75))


def test_what_is_not_in_the_numbers_is_said(written):
    from factory.recipe import load

    made = plan(load(written, ["verify.judge=undecided", "teacher.engine.num_gpus=0"]), [64])
    shown = render(made)
    assert "curator and judge" in shown
    assert "runs on CPUs" in shown
    assert "holds the pool at 4 GPUs" in shown


def test_a_missing_recipe_is_an_error_of_three_lines(tmp_path):
    with pytest.raises(FactoryError, match="cannot read the recipe"):
        CliRunner().invoke(app, ["plan", str(tmp_path / "no.yaml")], catch_exceptions=False)


def test_the_published_speed_of_a_gpu_is_the_likely_one_and_says_where_it_comes_from(written):
    gpt = recipe(teacher=Teacher(model="openai/gpt-oss-120b"))
    slow, fast = (plan(gpt, overrides=["problems=1000"], gpu=gpu) for gpu in ("H100", "b200"))
    assert slow.figures.output_tokens_per_gpu_s.likely == 2159
    assert "InferenceX" in render(slow)
    assert "output_tokens_per_gpu_s" not in slow.to_json()["placeholders"]
    assert fast.quantities["paper"]["GPU-hours"][1] < slow.quantities["paper"]["GPU-hours"][1]
    mine = plan(gpt, overrides=["problems=1000", "output_tokens_per_gpu_s=5"], gpu="h100")
    assert mine.figures.output_tokens_per_gpu_s.likely == 5


@pytest.mark.parametrize(("model", "gpu"), [("openai/gpt-oss-120b", "tpu"), ("somebody/else", "h100")])
def test_a_gpu_or_model_of_which_nothing_is_known_is_named_with_those_that_are(model, gpu):
    with pytest.raises(FactoryError, match=r"(?s)b200.*--figure output_tokens_per_gpu_s"):
        plan(recipe(teacher=Teacher(model=model)), overrides=["problems=1"], gpu=gpu)
