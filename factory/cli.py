"""`factory ...`: the command line. Thin: each command parses its options and calls one function of one room.

Rooms are imported inside the commands, so that `factory --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from factory.errors import FactoryError

app = typer.Typer(
    name="factory",
    help="Build, inspect and audit datasets of mathematical reasoning traces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

trace_app = typer.Typer(help="Read stored traces back.", no_args_is_help=True)
app.add_typer(trace_app, name="trace")


@app.callback()
def _root() -> None:
    """Build, inspect and audit datasets of mathematical reasoning traces."""


@app.command()
def sandbox(
    file: Annotated[str, typer.Argument(help="JSON lines: {id, cells: [code, ...], timeout_s}.")],
    limits: Annotated[str, typer.Option(help="Limits, e.g. memory_mb=1024,scratch_mb=64,output_chars=10000.")] = "",
) -> None:
    """Run Python cells in isolated sessions: one fresh session per row, one line of results per row, in order."""
    from factory.sandbox import batch

    for line in batch.run_file(file, limits):
        print(line, flush=True)


@app.command()
def doctor() -> None:
    """Print what isolation this machine gives to model-written code; status 1 where an effect is missing."""
    from factory.sandbox import doctor

    report, sound = doctor.examine()
    print(report)
    sys.exit(0 if sound else 1)


@trace_app.command("parse")
def trace_parse(
    file: Annotated[str, typer.Argument(help="JSON lines with the transcript under harmony_text or text.")],
    dialect: Annotated[str, typer.Option(help="Chat format of the transcripts: harmony or fenced.")] = "harmony",
) -> None:
    """Print each transcript as messages in OpenAI form, with its calls, its answer and whether it renders back."""
    from factory.programs import trace_file

    for line in trace_file.parse_file(file, dialect):
        print(line, flush=True)


@trace_app.command("replay")
def trace_replay(
    file: Annotated[str, typer.Argument(help="Stored traces: Parquet (journal or dataset) or JSON lines.")],
    uid: Annotated[str | None, typer.Option(help="Only the trace with this uid.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many traces.")] = 1,
    recipe: Annotated[str | None, typer.Option(help="Recipe whose teacher answers; else the trace's model.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A recipe setting.")] = None,
) -> None:
    """Regenerate stored traces at temperature 0, after exactly the tokens they saw; say whether they are identical."""
    import asyncio

    from factory.engines import replay
    from factory.recipe import load

    teacher = load(recipe, overrides).teacher if recipe else None

    async def stream() -> None:
        async for line in replay.replay_file(file, uid, limit, teacher):
            print(line, flush=True)

    asyncio.run(stream())


@app.command()
def verify(
    file: Annotated[str, typer.Argument(help="JSON lines: {id, gold, prediction}; a prediction may be running text.")],
    workers: Annotated[int, typer.Option(min=1, help="Killable checker processes.")] = 1,
    timeout_s: Annotated[
        float, typer.Option(min=0.01, help="Budget of one pair; past it the pair is undecided.")
    ] = 5.0,
) -> None:
    """Compare answers: one line {id, equal, method, extracted, seconds} per row, in order; null means undecided."""
    import asyncio

    from factory.verify.batch import verify_file

    async def stream() -> None:
        async for line in verify_file(file, workers=workers, timeout_s=timeout_s):
            print(line, flush=True)

    asyncio.run(stream())


@app.command()
def decontaminate(
    *,
    more_benchmarks: Annotated[list[str] | None, typer.Argument(metavar="[BENCHMARK]...", help="More of them.")] = None,
    problems: Annotated[str | None, typer.Option(help="JSON lines: {id, problem}.")] = None,
    benchmarks: Annotated[list[str] | None, typer.Option(help="JSON lines: {id, problem}, one or more.")] = None,
    pairs: Annotated[str | None, typer.Option(help="JSON lines: {train_problem, benchmark_problem}.")] = None,
    out: Annotated[str, typer.Option(help="Where the answers go; - is standard output.")] = "-",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A setting, e.g. threshold=0.4.")] = None,
    report: Annotated[str | None, typer.Option(help="Page to write (FILE.html, and FILE.json beside it).")] = None,
    judge: Annotated[str | None, typer.Option(help="Recipe whose judge settles what rules leave open.")] = None,
    judge_url: Annotated[str | None, typer.Option(help="The same by a server that speaks the OpenAI API...")] = None,
    judge_model: Annotated[str | None, typer.Option(help="... and its model, in the harmony format.")] = None,
) -> None:
    """Find problems that benchmarks hold: --problems A --benchmarks B C, or --pairs P; one line per row, in order."""
    from factory.decontaminate import command
    from factory.report.decontamination import DecontaminationReport
    from factory.stages.pair_judge import judging

    summary = DecontaminationReport() if report else None
    with judging(judge, judge_url, judge_model, overrides) as settle:
        command.run(
            problems=problems,
            benchmarks=[*(benchmarks or []), *(more_benchmarks or [])],
            pairs=pairs,
            out=out,
            overrides=overrides or [],
            observe=summary.add if summary else None,
            judge=settle,
        )
    if summary and report:
        summary.write(report)


@app.command()
def benchmarks(
    folder: Annotated[str, typer.Argument(help="Folder or URI of a recipe's decontaminate.evaluated.")],
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is missing and on the Hub.")] = False,
) -> None:
    """List the benchmarks that the project evaluates on, and whether a folder holds them; status 1 where one lacks."""
    from factory.stages import evaluated_benchmarks

    if fetch:
        evaluated_benchmarks.fetch(folder, lambda line: print(line, file=sys.stderr, flush=True))
    lines, complete = evaluated_benchmarks.listing(folder)
    print("\n".join(lines))
    sys.exit(0 if complete else 1)


@app.command("add-benchmarks")
def add_benchmarks(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    files: Annotated[list[str], typer.Argument(metavar="BENCHMARK...", help="JSON lines: {id, problem}.")],
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Withdraw them: the next publish leaves them out.")] = False,
    out: Annotated[str, typer.Option(help="Where the lines go; - is standard output.")] = "-",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A setting, e.g. cache=DIR.")] = None,
    judge: Annotated[str | None, typer.Option(help="Recipe whose judge settles what rules leave open.")] = None,
) -> None:
    """Hold a run's solved problems against benchmarks that came later; one line for each problem that must leave."""
    from factory.decontaminate.command import write_lines
    from factory.stages import later_benchmarks
    from factory.stages.pair_judge import judging

    with judging(judge, None, None, overrides) as settle:
        lines = later_benchmarks.add_benchmarks(
            uri, files, apply=apply, overrides=overrides or [], judge=settle,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        write_lines(lines, out)


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="Recipe file (YAML).")],
    *,
    gpus: Annotated[list[int] | None, typer.Option(min=1, help="Plan at so many GPUs; may be repeated.")] = None,
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
    import json

    from factory.planning import plan as planning
    from factory.recipe import load

    made = planning.plan(
        load(recipe, overrides, override),
        gpus or (),
        figures=figures,
        overrides=figure,
        pilot_uri=pilot,
        pilot_gpus=pilot_gpus,
        gpu=gpu,
    )
    print(json.dumps(made.to_json(), ensure_ascii=False) if as_json else planning.render(made))


@app.command()
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
    command goes on; writes tuning/best.yaml for --override, and tuning/figures.yaml for `factory plan --figures`.
    """
    from factory.launch import start_ray
    from factory.recipe import load
    from factory.tuning.candidates import given_axes
    from factory.tuning.tune import PLACE, Times, line
    from factory.tuning.tune import tune as measure

    loaded, axes = load(recipe, overrides), given_axes(tries or [])
    start_ray(verbose=False)
    found = measure(loaded, out, axes, times=Times(start, warm_up, seconds), say=lambda text: print(text, flush=True))
    print("\nbest first:\n" + "\n".join(f"  {line(one)}" for one in found))
    print(f"written: {out}/{PLACE}/best.yaml, {out}/{PLACE}/figures.yaml")


@app.command()
def status(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
    price: Annotated[list[str] | None, typer.Option(help="gpu_hour=2.5 or cpu_hour=0.04; before the recipe's.")] = None,
) -> None:
    """Print how far a run is, how fast it goes, when it will end and what it costs, from storage alone."""
    import json

    from factory.inspection import status
    from factory.planning.cost import prices

    now = status.status(uri, prices=prices(price))
    print(json.dumps(now.to_json(), ensure_ascii=False) if as_json else status.render(now))


@app.command()
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


@app.command()
def why(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    row: Annotated[str, typer.Argument(help="Id of a problem or a thread.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Print the life of one problem: where it came from, every sample with its verdict, and where it went."""
    from factory.inspection import why

    life = why.life_of(uri, row)
    print(why.to_json(life) if as_json else why.render(life))


@app.command()
def audit(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    answers: Annotated[int, typer.Option(min=0, help="Traces whose tokens and answer are checked again.")] = 200,
    cells: Annotated[int, typer.Option(min=0, help="Traces whose Python cells are run again.")] = 20,
) -> None:
    """Hold the published dataset against its manifest, counts, checker and sandbox; status 1 where it is not sound."""
    from factory.inspection import audit

    found = audit.audit(uri, answers=answers, cells=cells)
    print(audit.render(found))
    sys.exit(0 if found.sound else 1)


@app.command("push-to-hub")
def push_to_hub(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    repo: Annotated[str, typer.Argument(help="Dataset repository: owner/name.")],
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = True,
) -> None:
    """Upload the published dataset to the Hugging Face Hub; run again, it goes on where it stopped."""
    from factory.store.hub import push

    print(push(uri, repo, private=private, say=lambda line: print(line, file=sys.stderr, flush=True)))


@app.command()
def disagreement(uri: Annotated[str, typer.Argument(help="The run: the value of --out.")]) -> None:
    """Print how often rules, judge model and majority agree on the samples of a run."""
    from factory.inspection import disagreement

    print("\n".join(disagreement.of_run(uri).lines()))


def main() -> None:
    """Entry point of the console script: a `FactoryError` is three lines and status 2, never a traceback."""
    try:
        app()
    except FactoryError as error:
        print(f"factory: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
