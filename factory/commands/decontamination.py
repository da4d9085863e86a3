"""Commands about benchmarks: what training problems they hold, which are here, and which came later."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


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
    from factory.commands import decontaminate_file, jsonl
    from factory.commands.pair_judge import judging
    from factory.report.decontamination import DecontaminationReport

    summary = DecontaminationReport() if report else None
    with judging(judge, judge_url, judge_model, overrides) as settle:
        found = decontaminate_file.answers(
            problems=problems,
            benchmarks=[*(benchmarks or []), *(more_benchmarks or [])],
            pairs=pairs,
            overrides=overrides or [],
            observe=summary.add if summary else None,
            judge=settle,
        )
        jsonl.write(found, out)
    if summary and report:
        summary.write(report)


def benchmarks(
    folder: Annotated[str, typer.Argument(help="Folder or URI of a recipe's decontaminate.evaluated.")],
    fetch: Annotated[bool, typer.Option("--fetch", help="Download what is missing and on the Hub.")] = False,
) -> None:
    """List the benchmarks that the project evaluates on; exit status 1 if any is missing from the folder."""
    from factory.commands import evaluated_benchmarks

    if fetch:
        evaluated_benchmarks.fetch(folder, lambda line: print(line, file=sys.stderr, flush=True))
    lines, complete = evaluated_benchmarks.listing(folder)
    print("\n".join(lines))
    sys.exit(0 if complete else 1)


def add_benchmarks(
    uri: Annotated[str, typer.Argument(help="The run: the value of --out.")],
    files: Annotated[list[str], typer.Argument(metavar="BENCHMARK...", help="JSON lines: {id, problem}.")],
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Withdraw them: the next publish leaves them out.")] = False,
    out: Annotated[str, typer.Option(help="Where the lines go; - is standard output.")] = "-",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A setting, e.g. cache=DIR.")] = None,
    judge: Annotated[str | None, typer.Option(help="Recipe whose judge settles what rules leave open.")] = None,
) -> None:
    """Compare a run's solved problems with benchmarks that came later; one line for each problem that must leave."""
    from factory.commands import jsonl, later_benchmarks
    from factory.commands.pair_judge import judging

    with judging(judge, None, None, overrides) as settle:
        lines = later_benchmarks.add_benchmarks(
            uri, files, apply=apply, overrides=overrides or [], judge=settle,
            emit=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        jsonl.write(lines, out)
