"""Commands about a run: what it will take, how far it is, what it made, whether that is sound."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def plan(
    recipe: Annotated[str, typer.Argument(help="Recipe file (YAML).")],
    *,
    gpus: Annotated[list[int] | None, typer.Option(min=1, help="Plan for this many GPUs; may be repeated.")] = None,
    figures: Annotated[
        str | None, typer.Option(help="YAML file of figures: lengths, pass rates, speed, prices.")
    ] = None,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="One figure: a.b=c or a.b=[low,likely,high].")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A recipe setting.")] = None,
    pilot: Annotated[str | None, typer.Option(help="URI of a small finished run to take figures from.")] = None,
    pilot_gpus: Annotated[int | None, typer.Option(min=1, help="GPUs that the pilot ran on, for its speed.")] = None,
    gpu: Annotated[str | None, typer.Option(help="GPU type, for its published speed: h100, h200 or b200.")] = None,
    override: Annotated[list[Path] | None, typer.Option(help="File of keys to lay over the recipe.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Print what a run will take before it is started: samples, tokens, GPU-hours, time, storage, price, as ranges."""
    from factory import settings
    from factory.planning import plan as planning
    from factory.recipe import Recipe, Train
    from factory.training import plan as training

    values = settings.layered(recipe, overrides, override)
    if values.get("kind") == "train":
        taken = training.plan(settings.validate(Train, values, recipe))
        print(json.dumps(taken.to_json(), ensure_ascii=False) if as_json else training.render(taken))
        return
    made = planning.plan(
        settings.validate(Recipe, values, recipe),
        gpus or (),
        figures=figures,
        overrides=figure,
        pilot_uri=pilot,
        pilot_gpus=pilot_gpus,
        gpu=gpu,
    )
    print(json.dumps(made.to_json(), ensure_ascii=False) if as_json else planning.render(made))


def tune(
    recipe: Annotated[str, typer.Argument(help="Recipe file (YAML).")],
    out: Annotated[str, typer.Option(help="Where measurements are kept: a directory or s3://bucket/prefix.")],
    *,
    tries: Annotated[
        list[str] | None, typer.Option("--try", help="A setting and its values: max_num_seqs=64,128; may be repeated.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="How long each setting is measured once its engine is full.")
    ] = 180,
    warm_up: Annotated[float, typer.Option(min=0, help="How long an engine may take to fill up.")] = 120,
    start: Annotated[float, typer.Option(min=1, help="How long an engine may take to start.")] = 1200,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A recipe setting.")] = None,
) -> None:
    """Measure engine settings with the recipe's own programs, on this machine or the cluster of RAY_ADDRESS.

    Prints generated tokens per second and GPU of each, with a 95 % interval; keeps them at --out, where the same
    command continues; writes tuning/best.yaml for --override, and tuning/figures.yaml for `factory plan --figures`.
    """
    from factory.launch import start_ray
    from factory.recipe import load
    from factory.tuning.candidates import given_axes
    from factory.tuning.tune import PLACE, Times, line
    from factory.tuning.tune import tune as measure

    loaded, axes = load(recipe, overrides), given_axes(tries or [])
    start_ray(verbose=False)
    found = measure(loaded, out, axes, times=Times(start, warm_up, seconds), emit=lambda text: print(text, flush=True))
    print("\nbest first:\n" + "\n".join(f"  {line(one)}" for one in found))
    print(f"written: {out}/{PLACE}/best.yaml, {out}/{PLACE}/figures.yaml")


def status(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
    price: Annotated[list[str] | None, typer.Option(help="gpu_hour=2.5 or cpu_hour=0.04; before the recipe's.")] = None,
) -> None:
    """Print how far a run is, how fast it goes, when it will end and what it costs, from storage alone."""
    from factory.planning.cost import prices
    from factory.report import status

    now = status.status(uri, prices=prices(price))
    print(json.dumps(now.to_json(), ensure_ascii=False) if as_json else status.render(now))


def report(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    out: Annotated[str, typer.Option(help="Where the page goes.")] = "report.html",
    price: Annotated[list[str] | None, typer.Option(help="gpu_hour=2.5 or cpu_hour=0.04; before the recipe's.")] = None,
) -> None:
    """Write one HTML page about a finished or running run: funnel, lengths, pass rates, tools, contamination, cost."""
    from factory import runs
    from factory.planning.cost import prices
    from factory.report import page

    print(page.report(uri, out, prices(price), lambda run: runs.of_run(run).sections))


def why(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    row: Annotated[str, typer.Argument(help="Id of a problem or a thread.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Print the life of one problem: where it came from, every sample with its verdict, and where it went."""
    from factory.inspection import why

    life = why.history_of(uri, row)
    print(why.to_json(life) if as_json else why.render(life))


def audit(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    answers: Annotated[int, typer.Option(min=0, help="Traces whose tokens and answer are checked again.")] = 200,
    cells: Annotated[int, typer.Option(min=0, help="Traces whose Python cells are run again.")] = 20,
) -> None:
    """Check the published dataset against its manifest, counts, checker and sandbox; exit status 1 if unsound."""
    from factory.inspection import audit

    found = audit.audit(uri, answers=answers, cells=cells)
    print(audit.render(found))
    sys.exit(0 if found.sound else 1)


def push_to_hub(
    uri: Annotated[str, typer.Argument(help="A run or an exported view: the value of its --out.")],
    repo: Annotated[str, typer.Argument(help="Dataset repository: owner/name.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = True,
) -> None:
    """Upload a published dataset or an export to the Hugging Face Hub; run again, it continues where it stopped."""
    from factory.store.hub import push

    print(push(uri, repo, private=private, emit=lambda line: print(line, file=sys.stderr, flush=True)))


def disagreement(uri: Annotated[str, typer.Argument(help="The run: the value of --out.")]) -> None:
    """Print how often rules, judge model and majority agree on the samples of a run."""
    from factory.inspection import disagreement

    print("\n".join(disagreement.of_run(uri).lines()))
