"""The charts of traces and verdicts: from the figures of a run, or the counts of a published version, to SVG.

The report page and the dataset card draw the same things, so what they share is drawn here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.report.figures import BINS_PER_OCTAVE, Heading, edge, under
from factory.report.plots import (
    CYCLE,
    KEPT,
    MODES,
    NEUTRAL,
    REMOVED,
    WAITING,
    Axis,
    Bar,
    Series,
    bars,
    columns,
    linear,
    lines,
    logarithmic,
    shares,
)

RATE_BINS = 8
"""Bars of a pass-rate histogram where samples are too many for a bar each."""
_MAX_BARS = 17
CAUSES = {
    "busy": KEPT,
    "tools": CYCLE[0],
    "engine": CYCLE[2],
    "ramp": CYCLE[4],
    "limit": CYCLE[6],
    "tail": CYCLE[7],
    "loading": REMOVED,
    "no_work": NEUTRAL,
}


def named(heading: Heading) -> str:
    """A mode and its tool in words."""
    return f"{heading[0]} {'with Python' if heading[1] else 'without'}"


def colour(mode: str) -> str:
    return MODES.get(mode, NEUTRAL)


def length_shares(
    lengths: Mapping[Heading, Mapping[float, int]], title: str, what: str, ratio: float = 2 ** (1 / BINS_PER_OCTAVE)
) -> str:
    """Cumulative shares by length, a line a mode; without Python dashed. Keys are upper edges of bins in
    tokens, each `ratio` times its lower edge."""
    used = {heading: counted for heading, counted in lengths.items() if sum(counted.values())}
    if not used:
        return ""
    edges = [e for counted in used.values() for e in counted]
    axis = logarithmic(min(edges) / 2, max(edges), what)
    series = [
        Series(named(h), colour(h[0]), _cumulated(counted, ratio), dashed=not h[1]) for h, counted in used.items()
    ]
    return lines(title, series, axis, shares("share of traces"), width=1060, height=330)


def length_histogram(counted: Mapping[float, int], heading: Heading, low: float, high: float) -> str:
    """Traces by length, in half octaves between two powers of two."""
    axis = logarithmic(low, high, "generated tokens")
    binned = [0.0] * max(1, round(2 * _octaves(axis)))
    for upper, n in counted.items():
        place = axis.share(upper * 0.999) * len(binned)
        binned[min(int(place), len(binned) - 1)] += n
    return columns(named(heading), binned, colour(heading[0]), axis, linear(max(binned)))


def rate_histogram(rates: Mapping[tuple[int, int], int], heading: Heading) -> str:
    """Problems by the share of their samples that reached the reference: {(passed, count): problems}."""
    most = max((count for _, count in rates), default=0)
    if not most:
        return ""
    n_bars = most + 1 if most < _MAX_BARS else RATE_BINS
    binned = [0.0] * n_bars
    for (passed, count), n in rates.items():
        if count:
            binned[min(int(passed / count * n_bars), n_bars - 1)] += n
    mean = sum(p / c * n for (p, c), n in rates.items() if c) / max(sum(n for (_, c), n in rates.items() if c), 1)
    axis = Axis(0.0, 1.0, [(n / 4, f"{n * 25} %") for n in range(5)], f"samples right (mean {mean:.0%})")
    return columns(named(heading), binned, colour(heading[0]), axis, linear(max(binned)))


def right_by_length(judged: Mapping[tuple[Any, ...], int], headings: Sequence[Heading]) -> str:
    """Share of samples that reach the reference, by length; bins of an octave with few samples are left out."""
    series, edges = [], []
    for heading in headings:
        total, right = Counter[int](), Counter[int]()
        for (equal, number), n in under(judged, *heading).items():
            octave = -(-number // BINS_PER_OCTAVE)
            total[octave] += n
            right[octave] += n * (equal is True)
        fewest = max(5, sum(total.values()) // 200)
        points = [(2.0 ** (o - 0.5), right[o] / total[o]) for o in sorted(total) if total[o] >= fewest]
        edges += [length for length, _ in points]
        series.append(Series(named(heading), colour(heading[0]), points, dashed=not heading[1], marked=True))
    if not edges:
        return ""
    axis = logarithmic(min(edges) / 1.5, max(edges) * 1.5, "generated tokens")
    return lines("Right, by length", series, axis, shares("share of samples"), width=1060, height=330)


def engine_time(accounts: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """One bar an account, split by cause."""
    rows = []
    for name, seconds in accounts:
        whole = sum(seconds.values())
        if whole:
            parts = [(seconds.get(cause, 0.0) / whole, shade) for cause, shade in CAUSES.items()]
            rows.append(Bar(name, parts, f"{seconds.get('busy', 0.0) / whole:.0%} busy"))
    return bars("", rows, most=1.0, width=1060, names=190) if rows else ""


def funnel_bars(rows: Sequence[tuple[str, str, int, int, int]]) -> str:
    """(name, unit, out, rejected, missing) of each stage; traces and the rest have a scale each."""
    scale: dict[bool, int] = {}
    for _, unit, *counted in rows:
        scale[unit == "traces"] = max(scale.get(unit == "traces", 1), sum(map(abs, counted)))
    drawn = []
    for name, unit, out, rejected, missing in rows:
        most = scale[unit == "traces"]
        parts = [(out / most, KEPT), (rejected / most, REMOVED), (max(missing, 0) / most, WAITING)]
        drawn.append(Bar(f"{name} ({unit})", parts, f"{out:,} of {out + rejected + missing:,}"))
    return bars("", drawn, most=1.0, width=1060, names=190)


def by_edge(by_bin: Mapping[int, int]) -> dict[float, int]:
    """Counts by bin as counts by upper edge."""
    return {edge(number): n for number, n in by_bin.items()}


def _cumulated(counted: Mapping[float, int], ratio: float) -> list[tuple[float, float]]:
    total, so_far, points = sum(counted.values()), 0, list[tuple[float, float]]()
    for upper in sorted(counted):
        points.append((upper / ratio, so_far / total))
        so_far += counted[upper]
        points.append((upper, so_far / total))
    return points


def _octaves(axis: Axis) -> float:
    return axis.scale(axis.high) - axis.scale(axis.low)
