"""Two evaluations side by side: for a terminal, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from factory.evaluation.compare import Paired
from factory.report.evaluation import why
from factory.report.html import Section, document, paragraph, table

SHOWN = 20


def text(pairs: Sequence[Paired], second: str) -> str:
    """One line a metric, warnings below it, and the problems whose majority changed."""
    lines = []
    for pair in pairs:
        lines.append(f"{_name(pair):<34} {_difference(pair):<28} McNemar p={pair.comparison.mcnemar_p:.3g}")
        lines += [f"    mind: {pair.warning}"] if pair.warning else []
        gained = [c for c in pair.changed if c.gained]
        lost = [c for c in pair.changed if not c.gained]
        for word, changed in (("gained", gained), ("lost", lost)):
            lines += [f"    {word:<7} {c.problem_id}  {c.first:.0%} -> {c.second:.0%}" for c in changed[:SHOWN]]
            lines += [f"    {word:<7} ... and {len(changed) - SHOWN:,} more"] if len(changed) > SHOWN else []
    return "\n".join([*lines, f"a problem's life: {why(second, 'PROBLEM')}"])


def page(pairs: Sequence[Paired], first: str, second: str) -> str:
    """The same as one HTML file."""
    heads = ["configuration", "difference", "only first", "only second", "McNemar p", "problems needed"]
    rows = [
        [_name(p), _difference(p), p.comparison.only_first, p.comparison.only_second, f"{p.comparison.mcnemar_p:.3g}",
         p.comparison.problems_needed]
        for p in pairs
    ]  # fmt: skip
    warnings = "".join(paragraph(f"{_name(p)}: {p.warning}", "warn") for p in pairs if p.warning)
    lead = "Second less first, in points, with 95 % intervals over pairs of problems; McNemar's test counts problems "
    lead += "that one of the two alone gets right."
    changed = [
        [_name(p), c.problem_id, "gained" if c.gained else "lost", f"{c.first:.0%}", f"{c.second:.0%}",
         why(second, c.problem_id)]
        for p in pairs
        for c in p.changed
    ]  # fmt: skip
    shown = table(["configuration", "problem", "majority", "first", "second", "its life"], changed, words=6)
    parts = [
        Section("difference", "Difference", table(heads, rows, words=2) + warnings, lead),
        Section("changed", "Problems that changed", shown, "Those whose majority one of the two gets right."),
    ]
    return document("Two evaluations", f"{escape(first)} and {escape(second)}", parts)


def _name(pair: Paired) -> str:
    return f"{pair.mode} {'with Python' if pair.tool else 'without'}, {pair.metric}"


def _difference(pair: Paired) -> str:
    found = pair.comparison.difference
    if found.value is None:
        return "not known"
    value = f"{100 * found.value:+.1f}"
    return (
        value
        if found.low is None or found.high is None
        else f"{value} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    )
