"""The dataset card: a README.md with the Hub's YAML header that writes itself from the manifest and the run, and its
pictures. No times, no machine names: the same version always has the same card, byte for byte."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from factory.report import charts
from factory.report.decontamination_page import benchmark_rows
from factory.report.figures import Heading, rank, strongest_first
from factory.report.funnel import Stage, as_markdown
from factory.report.plots import standalone
from factory.store.manifest import Manifest
from factory.store.report import PUBLISHED
from factory.store.shape import bucket_of

LENGTHS, PASS_RATES = "lengths.svg", "pass_rates.svg"
_LIMITS = """\
* Answers are checked, reasoning is not: a trace may reach the right answer by a wrong argument.
* A reference that came from the vote (`changed_answer_to_majority`) is what most samples agree on; nobody wrote it.
* Tool outputs are what the sandbox showed the model, cut to its limits.
* Problems and their references keep the licences of their sources; see the column `license` of each row.
"""
_REFERENCES = {
    "kept": "the source's",
    "filled": "from the vote, the source gave none",
    "replaced": "from the vote, no sample agreed with the source's",
}
_NOT_COMPARED = "* No benchmark was compared with: problems of public benchmarks may be in it.\n"


def card(
    manifest: Manifest, recipe: dict[str, Any], stages: Sequence[Stage], decontamination: dict[str, Any] | None = None
) -> dict[str, bytes]:
    """README.md of a published version and its pictures, by name.

    `recipe` holds the values that results depend on; `decontamination` is a report (`contamination.of_run`), None where
    nothing was compared.
    """
    pictures = {name: data for name, data in (_lengths(manifest), _pass_rates(manifest)) if data}
    header = yaml.safe_dump(_header(manifest, recipe), sort_keys=False, allow_unicode=True)
    report = manifest.report
    sections = [
        f"# {recipe['name']}",
        f"{report.published:,} verified reasoning traces for {report.problems.get('verdict', 0):,} problems, written "
        f"by `{recipe['teacher']['model']}` in modes {', '.join(recipe['solve']['modes'])}, with and without Python.",
        "## What is in it\n\n" + _counts(manifest),
        *_drawn(pictures),
        "## Where every row went\n\n" + as_markdown(stages),
        "## Decontamination\n\n" + _decontamination(decontamination),
        "## Read it\n\n" + _usage(),
        "## Recipe\n\n"
        f"Fingerprint `{manifest.fingerprint}`, version {manifest.version} of this run.\n\n"
        f"```json\n{json.dumps(recipe, indent=2, ensure_ascii=False)}\n```",
        "## Known limits\n\n" + _LIMITS + ("" if decontamination else _NOT_COMPARED),
    ]
    body = "\n\n".join(section.strip() for section in sections)
    return {"README.md": f"---\n{header}---\n\n{body}\n".encode(), **pictures}


def _header(manifest: Manifest, recipe: dict[str, Any]) -> dict[str, Any]:
    cells = sorted({(shard.mode, shard.tool) for shard in manifest.shards})
    files = [
        {"config_name": f"{mode}_{tool}", "data_files": f"mode={mode}/tool={tool}/*.parquet"} for mode, tool in cells
    ]
    everything = {"config_name": "all", "data_files": "mode=*/tool=*/*.parquet", "default": True}
    licenses = sorted({name for table in ("license", "license_of_replies") for (name,) in manifest.report.table(table)})
    return {
        "pretty_name": recipe["name"],
        "license": "other",
        "license_name": ", ".join(licenses) or "see the column license",
        "task_categories": ["text-generation"],
        "tags": ["mathematics", "reasoning", "tool-use", "synthetic"],
        "configs": [everything, *files] if files else [],
    }


def _counts(manifest: Manifest) -> str:
    """Published traces by mode and tool, by length, by source and by licence."""
    report = manifest.report
    tokens = report.table("tokens")
    outcomes = report.by("trace", 0, 1, 4)
    rows = [
        [mode, tool, kept := outcomes.get((mode, tool, PUBLISHED), 0), f"{kept / n:.0%}", tokens.get((mode, tool), 0)]
        for (mode, tool), n in _ordered(report.by("trace", 0, 1))
    ]
    parts = [_markdown(["mode", "tool", "published traces", "of generated", "tokens"], rows, words=2)]

    published = {cell[:-1]: n for cell, n in report.by("trace", 0, 1, 3, 4).items() if cell[-1] == PUBLISHED}
    buckets = [bucket for bucket in _bucket_order(manifest) if any(cell[2] == bucket for cell in published)]
    headings = [cell for cell, _ in _ordered(report.by("trace", 0, 1))]
    by_length = [[*cell, *(published.get((*cell, bucket), 0) for bucket in buckets)] for cell in headings]
    parts.append("Published traces by tokens of the whole trace, up to:")
    parts.append(_markdown(["mode", "tool", *buckets], by_length, words=2))

    problems = {source: n for (source, outcome), n in report.table("problem").items() if outcome == "verdict"}
    traces = {source: n for (source, outcome), n in report.by("trace", 2, 4).items() if outcome == PUBLISHED}
    sources = [[source or "not stated", n, traces.get(source, 0)] for source, n in sorted(problems.items())]
    parts.append(_markdown(["source", "problems", "published traces"], sources))

    changes = {change: n for (change,), n in report.by("reference", 1).items()}
    if changes:  # runs of the first row version do not count them
        answers = [[words, changes.get(change, 0)] for change, words in _REFERENCES.items()]
        parts.append(_markdown(["reference answer", "problems"], answers))

    replies = {name: n for (name,), n in report.table("license_of_replies").items()}
    pages = {name: n for (name,), n in report.table("license").items()}
    licences = [[name or "not stated", pages.get(name, 0), replies.get(name, 0)] for name in sorted(pages | replies)]
    parts.append(_markdown(["licence", "published traces", "with a reference from replies under it"], licences))
    return "\n\n".join(part for part in parts if part)


def _drawn(pictures: dict[str, bytes]) -> list[str]:
    sections = []
    if LENGTHS in pictures:
        sections.append(f"## Lengths\n\n![Published traces up to a length, by mode and tool]({LENGTHS})")
    if PASS_RATES in pictures:
        words = "Problems by the share of their samples that reach the reference:"
        sections.append(f"## Pass rates\n\n{words}\n\n![Pass rates by mode and tool]({PASS_RATES})")
    return sections


def _lengths(manifest: Manifest) -> tuple[str, bytes]:
    """Cumulative lengths of the published traces; their bins are half an octave wide."""
    by_heading: dict[Heading, dict[float, int]] = defaultdict(dict)
    for (mode, tool, edge), n in manifest.report.table("length").items():
        by_heading[mode, tool == "python"][float(edge)] = n
    lengths = {heading: by_heading[heading] for heading in sorted(by_heading, key=strongest_first)}
    chart = charts.length_shares(lengths, "Published traces up to a length", "tokens of the trace", ratio=2**0.5)
    return LENGTHS, standalone(chart) if chart else b""


def _pass_rates(manifest: Manifest) -> tuple[str, bytes]:
    """Problems by pass rate in each mode, with Python and without."""
    by_heading: dict[Heading, dict[tuple[int, int], int]] = defaultdict(dict)
    for (regime, rate), n in manifest.report.table("pass_rate").items():
        passed, count = map(int, rate.split("/"))
        by_heading[regime.split("_")[1], regime.endswith("with_tool")][passed, count] = n
    drawn = [charts.rate_histogram(by_heading[heading], heading) for heading in sorted(by_heading, key=strongest_first)]
    return PASS_RATES, standalone(*drawn) if any(drawn) else b""


def _decontamination(report: dict[str, Any] | None) -> str:
    if report is None:
        return "No benchmark was compared with."
    heads = ["benchmark", "problems", "of them found", "training problems removed"]
    rows = [row[: len(heads)] for row in benchmark_rows(report["benchmarks"])]
    absent = ", ".join(report["evaluated_on_but_not_compared"])
    parts = [
        f"{report['removed']:,} of {report['problems']:,} problems state a benchmark problem and were removed.",
        _markdown(heads, rows),
        f"Not compared with: {absent}." if absent else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _usage() -> str:
    return """\
```python
from datasets import load_dataset
traces = load_dataset("parquet", data_files="mode=*/tool=*/*.parquet", split="train")
```

`messages` is the conversation in OpenAI form; `token_ids` with `mask` (0 prompt, 1 generated, 2 tool output) is exactly
what the model saw and said; `metadata` holds the pass rates of the problem in all six regimes."""


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[Any]], words: int = 1) -> str:
    lines = [_row([str(cell) if place < words else _number(cell) for place, cell in enumerate(row)]) for row in rows]
    rule = "|" + "|".join("---" if place < words else "---:" for place in range(len(heads))) + "|"
    return "\n".join([_row(heads), rule, *lines]) if lines else ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _bucket_order(manifest: Manifest) -> list[str]:
    """Buckets by their upper edge, as the settings name them."""
    edges = sorted(manifest.settings.get("buckets", ()))
    labels = [bucket_of(edge, edges) for edge in edges]
    return [*labels, bucket_of(max(edges, default=0) + 1, edges)]


def _ordered(counted: dict[tuple[str, ...], int]) -> list[tuple[tuple[str, ...], int]]:
    return sorted(counted.items(), key=lambda item: (rank(item[0][0]), item[0][1] != "python"))
