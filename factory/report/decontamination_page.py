"""Decontamination to read: the section that a run's page and the page of `factory decontaminate` share."""

from __future__ import annotations

from html import escape
from typing import Any

from factory.report.html import Section, clip, document, paragraph, plots, table
from factory.report.plots import CYCLE, NEUTRAL, REMOVED, Axis, Bar, Series, bars, lines, square_root

LOWEST = 0.4
"""The cosine at which the threshold curve begins; below it everything is removed."""
_SHOWN_SIGNALS = ("cosine", "ngram_forward", "ngram_backward", "numbers_forward", "numbers_backward", "names", "judge")
_LONGEST, _FIRST = 1500, 8


def page(report: dict[str, Any]) -> str:
    """A page for the dictionary that `DecontaminationReport.as_dict` returns."""
    under = f"{report['problems']:,} problems compared with {len(report['benchmarks'])} benchmarks"
    return document("Decontamination", under, [section(report), *reading(report)])


def section(report: dict[str, Any]) -> Section:
    """Counts, hits by signal, the threshold curve."""
    share = f" ({report['removed'] / report['problems']:.2%})" if report["problems"] else ""
    absent = ", ".join(report["evaluated_on_but_not_compared"])
    body = [
        paragraph(
            f"{report['removed']:,} of {report['problems']:,} problems{share} state a benchmark problem and were "
            f"removed; {report['with_undecided_pairs']:,} have a pair that rules alone leave undecided."
        ),
        f'<p class="warn"><strong>Not compared:</strong> {escape(absent)}</p>' if absent else "",
        benchmark_table(report["benchmarks"]),
        plots([_rules(report["benchmarks"]), curve(report["threshold_curve"])]),
    ]
    lead = (
        "The grey curve counts problems whose nearest benchmark problem lies at this cosine or above, the red one "
        "those of them that were removed. Where they part, a threshold would remove problems that are no copies; what "
        "the red curve still gains towards the left, it would miss."
    )
    return Section("decontamination", "Decontamination", "\n".join(part for part in body if part), lead)


def reading(report: dict[str, Any]) -> list[Section]:
    """The pairs nearest to the border, to read."""
    kept, removed = report["closest_kept"], report["farthest_removed"]
    return [
        Section("closest-kept", "Closest kept", _pairs(kept), "Kept, and nearest to being removed; left the problem."),
        Section("farthest-removed", "Farthest removed", _pairs(removed), "Removed, and nearest to being kept."),
    ]


def benchmark_table(benchmarks: dict[str, dict[str, Any]]) -> str:
    heads = ["benchmark", "problems", "of them found", "training problems removed", *_by(benchmarks)]
    return table(heads, benchmark_rows(benchmarks))


def benchmark_rows(benchmarks: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """Name, problems, problems found, training problems removed, and removed by each rule."""
    rules = _rule_names(benchmarks)
    return [
        [
            name,
            row["problems"],
            row["problems_found_in_training"],
            row["training_problems_removed"],
            *(row["by_rule"].get(rule, 0) for rule in rules),
        ]
        for name, row in benchmarks.items()
    ]


def curve(points: list[dict[str, float]], width: int = 520) -> str:
    """Both counts over the cosine, on a square-root scale so that few removed ones stay visible."""
    shown = [point for point in points if point["cosine"] >= LOWEST]
    if not any(point["removed"] for point in shown):
        return ""
    series = [
        Series(name, colour, [(point["cosine"], point[key]) for point in shown])
        for name, key, colour in (("a threshold alone", "removed", NEUTRAL), ("removed", "agreed", REMOVED))
    ]
    x = Axis(LOWEST, 1.0, [(n / 10, f"{n / 10}") for n in range(4, 11)], "cosine of the nearest benchmark problem")
    most = max(point["removed"] for point in shown)
    return lines("Problems at this cosine or above", series, x, square_root(most, "problems"), width=width)


def _rules(benchmarks: dict[str, dict[str, Any]]) -> str:
    rules = _rule_names(benchmarks)
    hit = sorted(
        ((name, row) for name, row in benchmarks.items() if row["training_problems_removed"]),
        key=lambda item: (-item[1]["training_problems_removed"], item[0]),
    )[:12]
    colours = dict(zip(rules, CYCLE * (1 + len(rules) // len(CYCLE)), strict=False))
    rows = [
        Bar(name, [(n, colours[rule]) for rule, n in row["by_rule"].items()], _spoken(row["by_rule"]))
        for name, row in hit
    ]
    return bars("Removed, by benchmark and rule", rows, names=120) if rows else ""


def _spoken(by_rule: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {rule}" for rule, n in by_rule.items())


def _by(benchmarks: dict[str, dict[str, Any]]) -> list[str]:
    return [f"by {rule}" for rule in _rule_names(benchmarks)]


def _rule_names(benchmarks: dict[str, dict[str, Any]]) -> list[str]:
    return sorted({rule for row in benchmarks.values() for rule in row["by_rule"]})


def _pairs(pairs: list[dict[str, Any]]) -> str:
    shown = [_pair(pair) for pair in pairs]
    more = f"<details><summary>{len(shown) - _FIRST} more</summary>{''.join(shown[_FIRST:])}</details>"
    return "".join(shown[:_FIRST]) + (more if len(shown) > _FIRST else "")


def _pair(pair: dict[str, Any]) -> str:
    measured = ", ".join(f"{n} {pair['signals'][n]:.2f}" for n in _SHOWN_SIGNALS if n in pair["signals"])
    return (
        f'<div class="pair"><div>{escape(clip(pair["problem"], _LONGEST))}</div>'
        f"<div>{escape(clip(pair['benchmark_problem'], _LONGEST))}</div>"
        f'<div class="why">{escape(pair["id"])} beside {escape(pair["benchmark"])} / {escape(pair["benchmark_id"])}: '
        f"score {pair['score']:.2f}, {escape(pair['reason'])} ({measured})</div></div>"
    )
