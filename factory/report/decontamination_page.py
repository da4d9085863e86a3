"""The decontamination report as one HTML page: no scripts, no network, plots as inline SVG."""

from __future__ import annotations

import math
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { border-bottom: 1px solid #d0d7de; padding: .35rem .6rem; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; border-top: 2px solid #d0d7de; padding: .8rem 0 }
.pair > div { white-space: pre-wrap; overflow-wrap: anywhere }
.why { grid-column: 1 / 3; color: #57606a; font-size: 13px }
svg text { font: 12px system-ui, sans-serif; fill: #57606a }
"""
_SHOWN_SIGNALS = ("cosine", "ngram_forward", "ngram_backward", "numbers_forward", "numbers_backward", "names", "judge")


def page(report: dict[str, Any]) -> str:
    """The page for the dictionary that `DecontaminationReport.as_dict` returns."""
    share = f" ({report['removed'] / report['problems']:.2%})" if report["problems"] else ""
    absent = ", ".join(report["evaluated_on_but_not_compared"])
    sections = [
        "<h1>Decontamination</h1>",
        f"<p>{report['removed']:,} of {report['problems']:,} problems{share} state a benchmark problem and were "
        f"removed; {report['with_undecided_pairs']:,} have a pair that rules alone leave undecided.</p>",
        f"<p><strong>Not compared:</strong> {escape(absent)}</p>" if absent else "",
        "<h2>By benchmark</h2>",
        _benchmark_table(report["benchmarks"]),
        "<h2>What a cosine threshold alone would do</h2>",
        "<p>Problems whose nearest benchmark problem lies at this cosine or above, and those of them that the verdict "
        "calls contaminated. Where the curves part, a threshold removes problems that are not copies; what the lower "
        "curve still gains towards the left, it would miss.</p>",
        _curve(report["threshold_curve"]),
        "<h2>Closest kept</h2><p>Kept, and nearest to being removed. Left the training problem.</p>",
        _pairs(report["closest_kept"]),
        "<h2>Farthest removed</h2><p>Removed, and nearest to being kept.</p>",
        _pairs(report["farthest_removed"]),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Decontamination</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _benchmark_table(benchmarks: dict[str, dict[str, Any]]) -> str:
    rules = sorted({rule for row in benchmarks.values() for rule in row["by_rule"]})
    head = ["benchmark", "problems", "of them found", "training problems removed", *(f"by {rule}" for rule in rules)]
    cells = [
        [
            row["problems"],
            row["problems_found_in_training"],
            row["training_problems_removed"],
            *(row["by_rule"].get(rule, 0) for rule in rules),
        ]
        for row in benchmarks.values()
    ]
    lines = [
        f"<tr><td>{escape(name)}</td>{''.join(f'<td class=n>{cell:,}</td>' for cell in row)}</tr>"
        for name, row in zip(benchmarks, cells, strict=True)
    ]
    header = "".join(f"<th{' class=n' if i else ''}>{escape(title)}</th>" for i, title in enumerate(head))
    return f"<table><tr>{header}</tr>{''.join(lines)}</table>"


def _curve(points: list[dict[str, float]]) -> str:
    """Both counts over the cosine, from 0.4 up, on a square-root scale so that few contaminated ones stay visible."""
    width, height, left, bottom = 720, 260, 60, 30
    shown = [point for point in points if point["cosine"] >= 0.4]
    top = max(1, *(point["removed"] for point in shown))

    def x(cosine: float) -> float:
        return left + (cosine - 0.4) / 0.6 * (width - left - 10)

    def y(count: float) -> float:
        return height - bottom - math.sqrt(count / top) * (height - bottom - 10)

    def line(key: str, colour: str) -> str:
        path = " ".join(f"{x(point['cosine']):.1f},{y(point[key]):.1f}" for point in shown)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'

    ticks = "".join(
        f'<text x="{x(tick / 10):.1f}" y="{height - 8}" text-anchor="middle">{tick / 10}</text>'
        for tick in range(4, 11)
    )
    levels = sorted({round(top * share) for share in (0, 0.05, 0.25, 1)})
    ticks += "".join(f'<text x="{left - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:,}</text>' for v in levels)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="threshold curve">'
        f"{line('removed', '#8c959f')}{line('agreed', '#cf222e')}{ticks}"
        f'<text x="{width - 10}" y="20" text-anchor="end">grey: threshold alone; red: verdict agrees</text></svg>'
    )


def _pairs(pairs: list[dict[str, Any]]) -> str:
    return "".join(_pair(pair) for pair in pairs) or "<p>None.</p>"


def _pair(pair: dict[str, Any]) -> str:
    measured = ", ".join(f"{n} {pair['signals'][n]:.2f}" for n in _SHOWN_SIGNALS if n in pair["signals"])
    return (
        f'<div class="pair"><div>{escape(pair["problem"])}</div><div>{escape(pair["benchmark_problem"])}</div>'
        f'<div class="why">{escape(pair["id"])} beside {escape(pair["benchmark"])} / {escape(pair["benchmark_id"])}: '
        f"score {pair['score']:.2f}, {escape(pair['reason'])} ({measured})</div></div>"
    )
