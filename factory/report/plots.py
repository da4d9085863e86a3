"""Small charts as SVG text, for the report page and the dataset card. Equal values give equal bytes.

Knows shapes and numbers, nothing of runs. No library: what is drawn here is lines, bars and their axes, and a picture
beside a dataset must be the same on every machine that publishes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

INK, MUTED, GRID = "#1b1f24", "#57606a", "#dfe4ea"
KEPT, REMOVED, NEUTRAL, WAITING = "#2f6f4f", "#c0392b", "#8a94a0", "#cdd5de"
MODES = {"high": "#3b4cc0", "medium": "#0f8f7e", "low": "#dd8a1b"}
CYCLE = ("#3b4cc0", "#0f8f7e", "#dd8a1b", "#c0392b", "#7d5ba6", "#8a94a0", "#b0793d", "#4c9fd6")
_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 30, 44
_GAP = 16


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`; `ticks` are (value, label). `scale` maps a value to the length it is drawn at."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str = ""
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        low, high = self.scale(self.low), self.scale(self.high)
        return min(max((self.scale(value) - low) / (high - low or 1.0), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points in order."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    marked: bool = False  # a dot at every point


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar: parts of a whole as (value, colour), and what comes after it."""

    name: str
    parts: Sequence[tuple[float, str]]
    note: str = ""


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis, *, width: int = 520, height: int = 300) -> str:
    """A line chart with a legend below its title."""
    plot = _Plot(x, y, width, height, top=_TOP + (18 if series else 0))
    drawn = [plot.path(one) for one in series if one.points]
    return _svg(title, width, height, [*plot.frame(), *drawn, *_legend(series, width)])


def columns(
    title: str, values: Sequence[float], colour: str, x: Axis, y: Axis, *, width: int = 340, height: int = 210
) -> str:
    """A histogram: `values` stand side by side, equally wide, over the whole of the x axis."""
    plot = _Plot(x, y, width, height)
    wide = (plot.right - plot.left) / max(len(values), 1)
    gap = min(1.5, wide / 6)
    drawn = []
    for place, value in enumerate(values):
        top = plot.y(value)
        if value > 0:
            left = plot.left + place * wide + gap / 2
            drawn.append(_rect(left, top, wide - gap, plot.bottom - top, colour))
    return _svg(title, width, height, [*plot.frame(), *drawn])


def bars(title: str, rows: Sequence[Bar], *, most: float | None = None, width: int = 520, names: int = 150) -> str:
    """Horizontal bars, one a row; `most` is the value of a bar that fills the width, `names` the room for names."""
    notes = 12 + 6.4 * max((len(row.note) for row in rows), default=0)
    top, pitch = (_TOP + 6 if title else 6), 26
    full = most or max((sum(value for value, _ in row.parts) for row in rows), default=0.0) or 1.0
    room = width - names - notes
    drawn = []
    for number, row in enumerate(rows):
        y, at = top + number * pitch, float(names)
        drawn.append(_text(names - 8, y + 14, _cut(row.name, names), anchor="end", fill=INK))
        for value, colour in row.parts:
            size = value / full * room
            if size > 0:
                drawn.append(_rect(at, y + 2, max(size, 0.7), pitch - 8, colour))
            at += size
        drawn.append(_text(at + 6, y + 14, row.note))
    return _svg(title, width, top + len(rows) * pitch + 6, drawn)


def key(entries: Sequence[tuple[str, str]], *, width: int = 1080) -> str:
    """A legend of its own for charts that share their colours: (name, colour)."""
    return _svg("", width, 22, [*_legend([Series(name, colour, ()) for name, colour in entries], width, 15)])


def linear(high: float, title: str = "") -> Axis:
    """Counts from zero to a round number above `high`."""
    step = max(1.0, _round_step(max(high, 1.0) / 4))
    top = step * math.ceil(max(high, 1.0) / step - 1e-9)
    return Axis(0.0, top, [(n * step, short(n * step)) for n in range(round(top / step) + 1)], title)


def logarithmic(low: float, high: float, title: str = "") -> Axis:
    """Powers of two from `low` to `high`; ticks no closer than eight to an axis."""
    first, last = math.floor(math.log2(max(low, 1))), max(math.ceil(math.log2(max(high, 2))), 1)
    last = max(last, first + 1)
    step = max(1, math.ceil((last - first) / 8))
    ticks = [(float(2**power), _power(power)) for power in range(first, last + 1, step)]
    return Axis(float(2**first), float(2**last), ticks, title, lambda value: math.log2(max(value, 2.0**first)))


def square_root(high: float, title: str = "") -> Axis:
    """From zero up on a square-root scale, so that few stay visible beside many."""
    top = max(high, 1.0)
    ticks = sorted({0, *(round(top * share) for share in (0.01, 0.1, 0.4, 1.0))})
    return Axis(0.0, top, [(float(n), short(n)) for n in ticks], title, lambda value: math.sqrt(max(value, 0.0)))


def shares(title: str = "") -> Axis:
    """From 0 to 100 %."""
    return Axis(0.0, 1.0, [(n / 4, f"{n * 25} %") for n in range(5)], title)


def short(value: float) -> str:
    """A count in few characters: 950, 12K, 3.4M."""
    for unit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{suffix}"
    return f"{value:.3g}"


def standalone(*charts: str, width: int = 1080) -> bytes:
    """Charts, left to right in rows of `width`, as the bytes of one SVG file on white."""
    placed, x, y, tallest = [], 0, 0, 0
    for chart in charts:
        size = re.match(r'<svg viewBox="0 0 (\d+) (\d+)"', chart)
        if size is None:
            continue
        wide, high = int(size[1]), int(size[2])
        if x and x + wide > width:
            x, y, tallest = 0, y + tallest + _GAP, 0
        placed.append(chart.replace("<svg ", f'<svg x="{x + _GAP}" y="{y + _GAP}" ', 1))
        x, tallest = x + wide + _GAP, max(tallest, high)
    box = f"0 0 {width + 2 * _GAP} {y + tallest + 2 * _GAP}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width + 2 * _GAP}" '
        f'height="{y + tallest + 2 * _GAP}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(placed)}</svg>\n'
    ).encode()


class _Plot:
    """The area between the axes, in pixels."""

    def __init__(self, x: Axis, y: Axis, width: int, height: int, top: int = _TOP + 4) -> None:
        self._x, self._y = x, y
        self.left, self.right, self.top, self.bottom = _LEFT, width - _RIGHT, top, height - _BOTTOM

    def x(self, value: float) -> float:
        return self.left + self._x.share(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - self._y.share(value) * (self.bottom - self.top)

    def path(self, series: Series) -> str:
        points = " ".join(f"{_n(self.x(x))},{_n(self.y(y))}" for x, y in series.points)
        dash = ' stroke-dasharray="5 4"' if series.dashed else ""
        dots = "".join(
            f'<circle cx="{_n(self.x(x))}" cy="{_n(self.y(y))}" r="3" fill="{series.colour}"/>'
            for x, y in (series.points if series.marked else ())
        )
        return (
            f'<polyline points="{points}" fill="none" stroke="{series.colour}" stroke-width="2" '
            f'stroke-linejoin="round"{dash}/>{dots}'
        )

    def frame(self) -> Iterator[str]:
        for value, label in self._y.ticks:
            y = self.y(value)
            yield _line(self.left, y, self.right, y, GRID)
            yield _text(self.left - 7, y + 4, label, anchor="end")
        for value, label in self._x.ticks:
            yield _line(self.x(value), self.bottom, self.x(value), self.bottom + 4, MUTED)
            yield _text(self.x(value), self.bottom + 17, label, anchor="middle")
        yield _line(self.left, self.bottom, self.right, self.bottom, MUTED)
        yield _text((self.left + self.right) / 2, self.bottom + 35, self._x.title, anchor="middle")
        if self._y.title:
            middle = (self.top + self.bottom) / 2
            yield (
                f'<text x="12" y="{_n(middle)}" text-anchor="middle" '
                f'transform="rotate(-90 12 {_n(middle)})">{escape(self._y.title)}</text>'
            )


def _svg(title: str, width: int, height: int, drawn: Sequence[str]) -> str:
    head = _text(0, 15, title, fill=INK, weight="600", size=13) if title else ""
    return (
        f'<svg viewBox="0 0 {width} {_n(height)}" width="{width}" '
        f'height="{_n(height)}" role="img" aria-label="{escape(title or "legend")}" font-family="{_FONT}" '
        f'font-size="11.5" fill="{MUTED}">{head}{"".join(drawn)}</svg>'
    )


def _legend(series: Sequence[Series], width: int, y: int = 36) -> Iterator[str]:
    at = 0.0
    for one in series:
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        yield (
            f'<line x1="{_n(at)}" y1="{y - 4}" x2="{_n(at + 18)}" y2="{y - 4}" stroke="{one.colour}" '
            f'stroke-width="{3 if one.points else 9}"{dash}/>'
        )
        yield _text(at + 23, y, one.name)
        at += 23 + 6.6 * len(one.name) + 16


def _text(x: float, y: float, words: str, *, anchor: str = "", fill: str = "", weight: str = "", size: int = 0) -> str:
    given = {"text-anchor": anchor, "fill": fill, "font-weight": weight, "font-size": str(size or "")}
    extra = "".join(f' {name}="{value}"' for name, value in given.items() if value)
    return f'<text x="{_n(x)}" y="{_n(y)}"{extra}>{escape(words)}</text>' if words else ""


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{colour}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _cut(name: str, room: int) -> str:
    most = max(4, int((room - 10) / 6.2))
    return name if len(name) <= most else name[: most - 1] + "…"


def _power(power: int) -> str:
    return str(2**power) if power < 10 else f"{2 ** (power - 10)}K" if power < 20 else f"{2 ** (power - 20)}M"


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * (1 - 1e-9))
