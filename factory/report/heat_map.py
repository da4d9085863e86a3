"""A heat map of outcomes as SVG: a row a problem, a block of cells for each configuration, a cell a sample."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from factory.report.plots import INK, KEPT, REMOVED, WAITING, key

_CELL, _NAMES, _GAP, _TOP = 9, 170, 14, 26
_COLOURS = {1: KEPT, 0: REMOVED, -1: WAITING}


def heat_map(names: Sequence[str], rows: Sequence[tuple[str, Sequence[Sequence[int]]]]) -> str:
    """`rows`: a name and, for each of `names`, the outcomes of its samples (1 right, 0 wrong, -1 undecided)."""
    if not rows:
        return ""
    widths = [max((len(blocks[place]) for _, blocks in rows), default=0) * _CELL for place in range(len(names))]
    starts = [_NAMES + sum(widths[:place]) + _GAP * place for place in range(len(names))]
    drawn = [f'<text x="{x}" y="14" fill="{INK}">{escape(name)}</text>' for name, x in zip(names, starts, strict=True)]
    for number, (name, blocks) in enumerate(rows):
        y = _TOP + number * _CELL
        label = name if len(name) <= 26 else f"{name[:25]}…"
        drawn.append(f'<text x="{_NAMES - 6}" y="{y + 8}" text-anchor="end" font-size="8.5">{escape(label)}</text>')
        for x, outcomes in zip(starts, blocks, strict=True):
            drawn += _runs(x, y, outcomes)
    width, height = starts[-1] + widths[-1] + 4, _TOP + len(rows) * _CELL + 4
    svg = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="outcomes of '
        f'samples" font-family="system-ui, sans-serif" font-size="11">{"".join(drawn)}</svg>'
    )
    return key([("right", KEPT), ("wrong", REMOVED), ("undecided", WAITING)]) + svg


def _runs(x: int, y: int, outcomes: Sequence[int]) -> list[str]:
    """One rectangle for each run of equal outcomes, so that a page of many samples stays small."""
    drawn, start = [], 0
    for place in range(1, len(outcomes) + 1):
        if place == len(outcomes) or outcomes[place] != outcomes[start]:
            drawn.append(
                f'<rect x="{x + start * _CELL}" y="{y}" width="{(place - start) * _CELL - 1}" height="{_CELL - 1}" '
                f'fill="{_COLOURS[outcomes[start]]}"/>'
            )
            start = place
    return drawn
