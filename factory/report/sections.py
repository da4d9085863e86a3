"""The sections of a run's page, each made of what was gathered and nothing else."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from html import escape
from typing import Any

from factory.report import charts
from factory.report.example import Example
from factory.report.figures import (
    BINS_PER_OCTAVE,
    Heading,
    RejectFigures,
    TraceFigures,
    VerdictFigures,
    edge,
    quantile,
    under,
)
from factory.report.funnel import Stage
from factory.report.html import Section, clip, paragraph, plots, table
from factory.report.plots import KEPT, NEUTRAL, REMOVED, WAITING, Axis, Bar, bars, columns, key, linear, logarithmic
from factory.store.counts import RejectReason
from factory.store.manifest import Manifest
from factory.store.report import PUBLISHED

_LONGEST = 3000
"""Characters of one message or field that are shown."""


def funnel(stages: list[Stage], running: bool) -> Section:
    """Where every row went."""
    rest = "under way" if running else "unaccounted"
    rows = [(s.name, s.unit, s.rows_out, s.rejected, s.missing) for s in stages]
    legend = key([("out", KEPT), ("rejected", REMOVED), (rest, WAITING)])
    heads = ["stage", "unit", "rows in", "rows out", "rejects", rest]
    counted = [[s.name, s.unit, s.rows_in, s.rows_out, s.rejected, s.missing] for s in stages]
    body = plots([legend, charts.funnel_bars(rows)]) + table(heads, counted, words=2) if stages else ""
    return Section("funnel", "Funnel", body, "Rows in are rows out and rejects, at every stage.")


def rejects(found: RejectFigures, stages: list[Stage]) -> Section:
    """Why rows left, and a few of each reason to read."""
    rows: list[tuple[str, str, str, int]] = [(*reason, n) for reason, n in found.reasons.items()]
    rows += [("row", "read", reason, n) for s in stages if s.name == "read" for reason, n in s.rejects.items()]
    rows.sort(key=lambda row: (-row[3], row))
    total = sum(row[3] for row in rows) or 1
    chart = bars(
        "",
        [Bar(f"{stage} / {reason}", [(n, REMOVED)], f"{n:,} ({n / total:.1%})") for _, stage, reason, n in rows[:16]],
        width=1060,
        names=260,
    )
    shown = [
        [stage, reason, example["id"], clip(example["detail"], 240)]
        for kind, stage, reason, _ in rows
        for example in found.examples.get(RejectReason(kind, stage, reason), [])
    ]
    examples = table(["stage", "reason", "row", "detail"], shown, words=4)
    body = plots([chart]) + (f"<details><summary>Some of each</summary>{examples}</details>" if shown else "")
    return Section("rejects", "Rejects by reason", body if rows else "", "Rows that left before publishing.")


def lengths(traces: TraceFigures, manifest: Manifest | None) -> Section:
    """Generated tokens of every sample, by mode and tool; and what is published, by bucket."""
    by_heading: dict[Heading, Counter[int]] = {h: under(traces.lengths, *h) for h in traces.headings()}
    if not by_heading:
        return Section("lengths", "Lengths", "")
    edges = [edge(number) for counted in by_heading.values() for number in counted]
    low, high = min(edges) / 2 ** (1 / BINS_PER_OCTAVE), max(edges)
    rows = [
        [
            charts.named(h),
            n := sum(counted.values()),
            traces.tokens[h] / max(n, 1),
            *(round(quantile(counted, share)) for share in (0.5, 0.9, 0.99)),
            traces.tokens[h],
        ]
        for h, counted in by_heading.items()
    ]
    body = [
        plots(
            [
                charts.length_shares(
                    {h: charts.by_edge(c) for h, c in by_heading.items()}, "Samples up to a length", "generated tokens"
                )
            ]
        ),
        plots(charts.length_histogram(charts.by_edge(c), h, low, high) for h, c in by_heading.items()),
        table(["mode", "samples", "mean tokens", "median", "90 %", "99 %", "tokens in all"], rows),
        _endings(traces),
        _buckets(manifest),
    ]
    lead = (
        "Every finished sample in the journal, right or wrong; one that was journaled twice counts twice. Quantiles "
        "are read off bins that are 4.4 % wide."
    )
    return Section("lengths", "Lengths by mode", "\n".join(body), lead)


def pass_rates(verdicts: VerdictFigures) -> Section:
    """How often samples of a problem reach its reference."""
    by_heading: dict[Heading, dict[tuple[int, int], int]] = defaultdict(dict)
    for (mode, tool, passed, count), n in verdicts.rates.items():
        by_heading[mode, tool][passed, count] = n
    drawn = [charts.rate_histogram(by_heading[h], h) for h in _ordered(by_heading)]
    lead = f"{verdicts.problems:,} problems with a verdict, by the share of their samples that reach the reference."
    return Section("pass-rates", "Pass rates by mode and tool", plots(drawn) if by_heading else "", lead)


def verification(verdicts: VerdictFigures) -> Section:
    """Which rule decided, and what was decided."""
    if not verdicts.methods:
        return Section("verification", "Verification", "")
    headings = _ordered({(mode, tool) for mode, tool, _, _ in verdicts.judged})
    methods: dict[str, Counter[bool | None]] = defaultdict(Counter)
    for (method, equal), n in verdicts.methods.items():
        methods[method][equal] += n
    rows = [
        [name, sum(c.values()), c[True], c[False], c[None]]
        for name, c in sorted(methods.items(), key=lambda item: -sum(item[1].values()))
    ]
    body = (
        plots([charts.right_by_length(verdicts.judged, headings)])
        + table(["decided by", "samples", "right", "wrong", "undecided"], rows)
        + paragraph(
            f"The vote replaced the reference of {verdicts.changed:,} of {verdicts.problems:,} problems "
            f"({verdicts.changed / max(verdicts.problems, 1):.1%})."
        )
    )
    return Section("verification", "Verification", body, "Judged samples of problems with a verdict.")


def tools(traces: TraceFigures) -> Section:
    """How often Python is called, how its cells end and how long they take."""
    if not traces.calls:
        return Section("tools", "Tool use", "")
    modes = [mode for mode, tool in traces.headings() if tool]
    drawn = []
    for mode in modes:
        calls = under(traces.calls, mode)
        most = max(calls)
        width = max(1, -(-(most + 1) // 20))
        binned = [0.0] * (most // width + 1)
        for n_calls, n in calls.items():
            binned[n_calls // width] += n
        mean = sum(k * n for k, n in calls.items()) / sum(calls.values())
        axis = _counting(len(binned), width, f"calls of a trace (mean {mean:.1f}, most {most})")
        drawn.append(columns(f"{mode} with Python", binned, charts.colour(mode), axis, linear(max(binned))))
    return Section("tools", "Tool use", plots(drawn) + _cells(traces), "Samples that may call Python.")


def side_by_side(example: Example | None) -> Section:
    """One problem as each mode writes it."""
    if example is None:
        return Section("example", "", "")
    verdict = example.verdict
    head = f"<p><strong>{escape(clip(verdict.problem.text, _LONGEST))}</strong></p>" + paragraph(
        f"{verdict.problem.id}, reference {verdict.reference!r}; votes " + _votes(verdict.votes), "why"
    )
    cells = []
    for trace, judgement in example.traces:
        word = {True: "right", False: "wrong", None: "undecided"}[judgement.equal]
        title = f"{charts.named((trace.mode, trace.tool))}: {word}, {trace.n_generated_tokens:,} tokens"
        said = "".join(_message(m.role, m.reasoning_content, m.content, m.tool_calls) for m in trace.messages)
        shade = charts.colour(trace.mode)
        cells.append(f'<div style="border-top-color:{shade}"><h3>{escape(title)}</h3>{said}</div>')
    lead = "One trace of each mode and tool, a right one where there is one."
    return Section("example", "One problem, side by side", f'{head}<div class="side">{"".join(cells)}</div>', lead)


def making(recipe: dict[str, Any], fingerprint: str, versions: dict[str, str]) -> Section:
    """What the run was made with."""
    body = (
        paragraph(f"Fingerprint {fingerprint}. " + ", ".join(f"{name} {v}" for name, v in sorted(versions.items())))
        + "<details><summary>Recipe: all that results depend on</summary>"
        + f"<pre>{escape(json.dumps(recipe, indent=2, ensure_ascii=False))}</pre></details>"
    )
    return Section("recipe", "Recipe", body)


def _endings(traces: TraceFigures) -> str:
    reasons: Counter[str] = Counter()
    for (_, _, reason), n in traces.endings.items():
        reasons[reason] += n
    heads = ["ended by", *(charts.named(h) for h in traces.headings())]
    rows = [[reason, *(traces.endings[(*h, reason)] for h in traces.headings())] for reason, _ in reasons.most_common()]
    return table(heads, rows)


def _buckets(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    by_length = manifest.report.by("trace", 3, 4)
    rows = [[bucket, n] for (bucket, outcome), n in by_length.items() if outcome == PUBLISHED]
    return table(["published, by bucket of all tokens", "traces"], rows)


def _cells(traces: TraceFigures) -> str:
    statuses: Counter[str] = Counter()
    for (status, _), n in traces.cells.items():
        statuses[status] += n
    total = sum(statuses.values())
    if not total:
        return ""
    lost = sum(n for (_, state_lost), n in traces.cells.items() if state_lost)
    shown = [
        Bar(status, [(n, KEPT if status == "ok" else REMOVED)], f"{n:,} ({n / total:.2%})")
        for status, n in statuses.most_common()
    ]
    by_time = {edge(number): n for number, n in traces.seconds.items()}
    axis = logarithmic(max(min(by_time) / 2, 1), max(by_time), "milliseconds of wall time")
    binned = [0.0] * max(1, round(2 * (axis.scale(axis.high) - axis.scale(axis.low))))
    for upper, n in by_time.items():
        binned[min(int(axis.share(upper * 0.999) * len(binned)), len(binned) - 1)] += n
    times = columns("Cells by duration", binned, NEUTRAL, axis, linear(max(binned)), width=480)
    words = f"{total:,} cells; the state of the session was lost in {lost:,}. "
    words += f"Median {quantile(traces.seconds, 0.5):,.0f} ms, 99 % within {quantile(traces.seconds, 0.99):,.0f} ms."
    return plots([bars("Cells by how they ended", shown, width=520, names=100), times]) + paragraph(words)


def _counting(n_bars: int, width: int, title: str) -> Axis:
    step = max(1, -(-n_bars // 8))
    ticks = [(n + 0.5, str(n * width) if width == 1 else f"{n * width}+") for n in range(0, n_bars, step)]
    return Axis(0.0, float(n_bars), ticks, title)


def _message(role: str, thought: str | None, content: str, calls: Any) -> str:
    if role not in ("assistant", "tool"):
        return ""
    parts = [f"<p class=why>{escape(clip(thought, _LONGEST))}</p>"] if thought else []
    for call in calls or ():
        code = _code(call.function.arguments)
        parts.append(f"<pre>{escape(clip(code, _LONGEST))}</pre>")
    if content:
        tag = "pre" if role == "tool" else "p"
        parts.append(f"<{tag}>{'→ ' if role == 'tool' else ''}{escape(clip(content, _LONGEST))}</{tag}>")
    return "".join(parts)


def _code(arguments: str) -> str:
    try:
        values = json.loads(arguments)
    except ValueError:
        return arguments
    return str(values.get("code", arguments)) if isinstance(values, dict) else arguments


def _votes(votes: dict[str, int]) -> str:
    first = sorted(votes.items(), key=lambda item: -item[1])[:8]
    return ", ".join(f"{clip(answer, 60)!r} {n}" for answer, n in first) or "none"


def _ordered(headings: Any) -> list[Heading]:
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(headings, key=lambda h: (order.get(h[0], 3), not h[1]))
