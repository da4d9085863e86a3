"""An evaluation to read: its table for a terminal and a model card, and the sections of its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from factory.evaluation import results, samples
from factory.evaluation.intervals import Estimate
from factory.evaluation.results import Configuration, Metric, Result
from factory.evaluation.samples import ProblemSamples
from factory.planning.cost import Cost
from factory.report import sections as common
from factory.report import spending
from factory.report.charts import colour
from factory.report.gather import PageData
from factory.report.heat_map import heat_map
from factory.report.html import Section, clip, paragraph, plots, table
from factory.report.plots import Series, lines, logarithmic, shares

HARDEST = 150
"""Problems that the heat map and the table of votes show."""


def markdown(result: Result) -> str:
    """The table for a model card, and what has to be said with it."""
    names = _metrics(result.configurations)
    heads = ["reasoning", *names, "tokens", "calls", "cut off"]
    parts = [
        f"# {result.name}",
        "",
        f"{result.model}{f' ({result.revision})' if result.revision else ''}, {_how(result)}",
    ]
    for subset in dict.fromkeys(c.subset for c in result.configurations):
        rows = [c for c in result.configurations if c.subset == subset]
        parts += ["", f"## {_title(subset)}: {rows[0].problems:,} problems", ""]
        parts += [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
        parts += [f"| {' | '.join([c.name, *(percent(c.metrics.get(n)) for n in names), *_costs(c)])} |" for c in rows]
    parts += ["", "Per cent, with 95 % intervals over problems in brackets.", *(f"\n* {note}" for note in result.notes)]
    if result.rejected:
        parts += ["", f"Not evaluated: {', '.join(f'{n:,} {reason}' for reason, n in result.rejected.items())}."]
    return "\n".join(parts) + "\n"


def text(result: Result) -> str:
    """The table over all problems for a terminal."""
    names = _metrics(result.overall())
    rows = [["", *names, "tokens", "calls", "cut off"]]
    rows += [[c.name, *(percent(c.metrics.get(n)) for n in names), *_costs(c)] for c in result.overall()]
    widths = [max(len(row[place]) for row in rows) + 2 for place in range(len(rows[0]))]
    drawn = ["".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*drawn, *(f"note: {note}" for note in result.notes)])


def sections(found: PageData, cost: Cost | None) -> Iterable[Section]:
    """The page of a run of kind evaluate."""
    result = results.load(found.run.store)
    if result is not None:
        rows = list(samples.rows(found.run.uri))
        yield from (_table(result), _cost_of_accuracy(result), _heat(rows), _votes(rows, found.run.uri))
    yield common.tools(found.traces)
    yield spending.engine_time(found.usages, cost)
    yield common.making(found.run.recipe, found.run.fingerprint, found.run.manifest.get("versions", {}))


def percent(metric: Metric | Estimate | None) -> str:
    """A share with its interval, in per cent: `43.8 [35.2, 52.4]`."""
    found = metric.estimate if isinstance(metric, Metric) else metric
    if found is None or found.value is None:
        return "-"
    value = f"{100 * found.value:.1f}"
    return (
        value if found.low is None or found.high is None else f"{value} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    )


def why(uri: str, problem_id: str) -> str:
    """The command that tells a problem's life, to copy."""
    return f"factory why {uri} {problem_id}"


def _metrics(configurations: Sequence[Configuration]) -> list[str]:
    return list(dict.fromkeys(name for c in configurations for name in c.metrics))


def _title(subset: str) -> str:
    return "All problems" if subset == results.ALL else subset


def _costs(c: Configuration) -> list[str]:
    return [f"{c.tokens:,.0f}", f"{c.calls:.2f}", f"{c.truncated:.1%}"]


def _how(result: Result) -> str:
    how = result.sampling
    return (
        f"{how.get('samples', '?')} samples a problem, temperature {how.get('temperature', '?')}, "
        f"top_p {how.get('top_p', '?')}, at most {how.get('max_tokens', 0):,} tokens"
    )


def _table(result: Result) -> Section:
    names = _metrics(result.configurations)
    rows = [
        [c.name, _title(c.subset), c.problems, *(percent(c.metrics.get(n)) for n in names), *_costs(c),
         "-" if c.rerun_error is None else f"{100 * c.rerun_error:.1f}", f"{c.undecided:.1%}", f"{c.no_answer:.1%}"]
        for c in result.configurations
    ]  # fmt: skip
    heads = [
        "reasoning",
        "problems of",
        "problems",
        *names,
        "tokens",
        "calls",
        "cut off",
        "rerun",
        "undecided",
        "no answer",
    ]
    lead = (
        f"{_how(result)}. Per cent, with 95 % intervals that take problems as the unit; `rerun` is the standard error "
        "of pass@1 if the same problems were sampled again."
    )
    body = table(heads, rows, words=2) + "".join(paragraph(note, "warn") for note in result.notes)
    return Section("accuracy", "Accuracy", body, lead)


def _cost_of_accuracy(result: Result) -> Section:
    shown = [c for c in result.overall() if c.metrics["pass@1"].estimate.value is not None]
    if not shown:
        return Section("tokens", "Accuracy against tokens", "")
    series = [
        Series(c.name, colour(c.mode), [(max(c.tokens, 1.0), c.metrics["pass@1"].estimate.value or 0.0)],
               dashed=not c.tool, marked=True)
        for c in shown
    ]  # fmt: skip
    axis = logarithmic(
        min(c.tokens for c in shown) / 2, max(c.tokens for c in shown) * 2, "generated tokens of a sample"
    )
    return Section(
        "tokens", "Accuracy against tokens", plots([lines("pass@1", series, axis, shares("right"), width=820)])
    )


def _heat(rows: Sequence[ProblemSamples]) -> Section:
    hardest = _hardest(rows)
    names = list(dict.fromkeys(row.configuration for row in rows))
    found = {(row.problem_id, row.configuration): row.outcomes for row in rows}
    lines_of = [(problem, [found.get((problem, name), []) for name in names]) for problem in hardest]
    lead = f"A row a problem, the hardest first (at most {HARDEST}); a cell a sample: right, wrong, undecided."
    return Section("heat", "Problems by samples", heat_map(names, lines_of), lead)


def _votes(rows: Sequence[ProblemSamples], uri: str) -> Section:
    hardest = set(_hardest(rows))
    shown = []
    for row in rows:
        if row.problem_id in hardest:
            votes = sorted(((-row.classes.count(c), c) for c in row.answers), key=lambda vote: vote)
            named = [f"{clip(row.answers[c], 60)} ({-n})" for n, c in votes[:2]] + ["-", "-"]
            life = why(uri, row.problem_id)
            heard = [clip(row.reference, 60), *named[:2]]
            shown.append([row.problem_id, row.configuration, *heard, row.right, row.samples, life])
    heads = ["problem", "reasoning", "reference", "majority", "runner-up", "right", "of", "its life"]
    body = f"<details><summary>{len(shown):,} rows</summary>{table(heads, shown, words=5)}</details>" if shown else ""
    return Section(
        "votes", "Majority and runner-up", body, f"Answers and their votes, of the {HARDEST} hardest problems."
    )


def _hardest(rows: Sequence[ProblemSamples]) -> list[str]:
    right: dict[str, int] = {}
    for row in rows:
        right[row.problem_id] = right.get(row.problem_id, 0) + row.right
    return sorted(right, key=lambda problem: (right[problem], problem))[:HARDEST]
