"""Figures from a pilot: what a small finished run says of lengths, pass rates and speed. Reads its journal, no text."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from factory import settings
from factory.errors import FactoryError
from factory.planning.figures import Range
from factory.recipe import Recipe
from factory.records import KEY_COLUMNS, Mode, Reject, Trace, Verdict, tool_name
from factory.store.counts import SampleCount, sums
from factory.store.parts import PartInfo
from factory.store.reader import JournalReader
from factory.store.run import Run

Z = 1.96
"""Half the width of a 95 % interval, in standard errors."""
_COLUMNS = (*KEY_COLUMNS, "n_prompt_tokens", "n_generated_tokens", "n_tool_tokens")
_SECONDS = "tool_calls.list.element.seconds"


@dataclass(frozen=True, slots=True)
class PilotFigures:
    """Values for `figures.given`, by the figure's name, and what to keep in mind of them."""

    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EndingCounts:
    """Problems by how they ended."""

    passed: dict[str, list[dict[str, Any]]]  # id -> regimes of the verdict
    too_easy: set[str]
    contaminated: set[str]
    other: set[str]

    @property
    def solved(self) -> int:
        """Problems that went through solve."""
        return len(self.passed) + len(self.too_easy) + len(self.other)


def measure(uri: str, recipe: Recipe, gpus: int | None = None) -> PilotFigures:
    """What the run at `uri` says, as ranges of 95 % confidence; `gpus` is how many it ran on.

    Raises `FactoryError` if there is no run, or none of its problems has its verdict yet.
    """
    run = Run.attach(uri)
    journal = run.reader()
    parts = journal.parts(Trace)
    traces, endings = list(_traces(journal)), _endings(journal)
    if not traces or not endings.passed:
        raise FactoryError(
            f"the run at {uri} has nothing to plan from yet",
            why=f"{len(traces)} samples, {len(endings.passed)} verdicts",
            remedy="let it finish some problems; `factory status` shows how far it is",
        )
    python = [trace for trace in traces if trace["tool"]]
    figures: dict[str, Any] = {
        "too_easy": proportion(len(endings.too_easy), endings.solved),
        "tokens": _by_mode(_lengths(traces, endings.passed)),
        "accepted": _by_mode(_passes(endings)),
        "prompt_tokens": mean(_clusters(traces, "n_prompt_tokens")),
        "bytes_per_token": _bytes_per_token(parts, traces),
    }
    if run.recipe["decontaminate"]["benchmarks"] or run.recipe["decontaminate"].get("evaluated"):
        out = len(endings.contaminated)
        figures["contaminated"] = proportion(out, endings.solved + out)
    if python:
        figures["tool_tokens"] = mean(_clusters(python, "n_tool_tokens"))
        figures["tool_seconds"] = mean(_clusters(python, "tool_seconds"))
    figures |= _of_easy_problems(traces, endings, run.recipe)
    if gpus and (speed := _tokens_per_second(parts)):
        # whatever the engines waited for is in it; an engine that is not warm yet and a short tail weigh on a pilot
        figures |= {"output_tokens_per_gpu_s": _around(speed / gpus, 0.2), "busy": _around(1.0, 0.0)}
    return PilotFigures(figures, _differences(run, recipe))


def mean(clusters: Iterable[list[float]]) -> dict[str, float]:
    """The mean of all values and its interval, given one list a problem: samples of one problem resemble each other.

    The standard error is that of a ratio of cluster totals to cluster sizes (Cochran, Sampling Techniques, 1977,
    chapter 9A). With a single problem nothing is known of the spread: half to twice.
    """
    groups = [group for group in clusters if group]
    count = sum(map(len, groups))
    average = sum(map(sum, groups)) / count
    if len(groups) < 2:
        return {"low": average / 2, "likely": average, "high": average * 2}
    squares = sum((sum(group) - average * len(group)) ** 2 for group in groups)
    error = math.sqrt(squares * len(groups) / (len(groups) - 1)) / count
    return {"low": max(0.0, average - Z * error), "likely": average, "high": average + Z * error}


def proportion(k: int, n: int) -> dict[str, float]:
    """k of n and the Wilson interval (1927); of nothing, anything is possible."""
    if not n:
        return {"low": 0.0, "likely": 0.0, "high": 1.0}
    share = k / n
    middle, width = share + Z * Z / (2 * n), Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    low, high = (middle - width) / scale, (middle + width) / scale
    return {"low": min(max(0.0, low), share), "likely": share, "high": max(min(1.0, high), share)}


def _traces(journal: JournalReader) -> Iterator[dict[str, Any]]:
    """The numbers of each sample, once each."""
    seen: set[tuple[Any, ...]] = set()
    for _, _, table in journal.tables(Trace, [*_COLUMNS, _SECONDS]):
        for row in table.to_pylist():
            key = tuple(row[name] for name in KEY_COLUMNS)
            if key not in seen:
                seen.add(key)
                row["tool_seconds"] = sum(call["seconds"] for call in row.pop("tool_calls") or ())
                yield row


def _endings(journal: JournalReader) -> EndingCounts:
    passed: dict[str, list[dict[str, Any]]] = {}
    by_reason: dict[tuple[str, str], set[str]] = defaultdict(set)
    for _, _, table in journal.counted(Verdict, ["problem.id", "regimes"]):
        passed |= {row["problem"]["id"]: row["regimes"] for row in table.to_pylist()}
    for _, _, table in journal.counted(Reject, ["id", "kind", "stage", "reason"]):
        for row in table.to_pylist():
            if row["kind"] == "problem":
                by_reason[row["stage"], row["reason"]].add(row["id"])
    unsolved = [ids for (stage, reason), ids in by_reason.items() if stage == "solve" and reason != "too_easy"]
    contaminated = [ids for (stage, _), ids in by_reason.items() if stage == "decontaminate"]
    return EndingCounts(passed, by_reason["solve", "too_easy"], set().union(*contaminated), set().union(*unsolved))


def _clusters(rows: Iterable[Mapping[str, Any]], name: str) -> list[list[float]]:
    """The values of one column, one list a problem."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[row["problem_id"]].append(row[name])
    return list(groups.values())


def _lengths(traces: list[dict[str, Any]], kept: Mapping[str, Any]) -> dict[tuple[str, bool], dict[str, float]]:
    rows: dict[tuple[str, bool], list[dict[str, Any]]] = defaultdict(list)
    for trace in traces:
        if trace["problem_id"] in kept:
            rows[trace["mode"], trace["tool"]].append(trace)
    return {heading: mean(_clusters(mine, "n_generated_tokens")) for heading, mine in rows.items()}


def _passes(endings: EndingCounts) -> dict[tuple[str, bool], dict[str, float]]:
    """Share of samples that reached the reference: each problem is a cluster of ones and zeros."""
    groups: dict[tuple[str, bool], list[list[float]]] = defaultdict(list)
    for regimes in endings.passed.values():
        for regime in regimes:
            if regime["count"]:
                passed = [1.0] * regime["passed"] + [0.0] * (regime["count"] - regime["passed"])
                groups[regime["mode"], regime["tool"]].append(passed)
    shares = {heading: mean(clusters) for heading, clusters in groups.items()}
    return {heading: {k: min(1.0, v) for k, v in share.items()} for heading, share in shares.items()}


def _by_mode(values: Mapping[tuple[str, bool], dict[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    nested: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (mode, tool), value in values.items():
        nested[mode][tool_name(tool)] = value
    return dict(nested)


def _of_easy_problems(
    traces: list[dict[str, Any]], endings: EndingCounts, ran: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """How long samples of too-easy problems are beside the others', and how many were dropped before high mode."""
    low = [trace for trace in traces if trace["mode"] == Mode.LOW]
    easy = [trace for trace in low if trace["problem_id"] in endings.too_easy]
    kept = [trace for trace in low if trace["problem_id"] in endings.passed]
    found: dict[str, dict[str, float]] = {}
    if easy and kept:
        mine, other = (mean(_clusters(rows, "n_generated_tokens")) for rows in (easy, kept))
        if other["low"] > 0:
            found["easy_length"] = {
                "low": mine["low"] / other["high"],
                "likely": mine["likely"] / other["likely"],
                "high": mine["high"] / other["low"],
            }
    if ran["solve"]["order"] == "cheap_first" and endings.too_easy:
        strong = {trace["problem_id"] for trace in traces if trace["mode"] != Mode.LOW}
        found["sealed"] = proportion(len(endings.too_easy - strong), len(endings.too_easy))
    return found


def _bytes_per_token(parts: list[PartInfo], traces: list[dict[str, Any]]) -> dict[str, float]:
    tokens = sum(trace["n_prompt_tokens"] + trace["n_generated_tokens"] + trace["n_tool_tokens"] for trace in traces)
    return _around(sum(part.entry.size for part in parts) / max(tokens, 1), 0.1)


def _tokens_per_second(parts: list[PartInfo]) -> float | None:
    """Generated tokens of every part but the first, over the time since the first was written; None for one part."""
    moments = [part.entry.modified for part in parts]
    span = (max(moments) - min(moments)).total_seconds()
    first = min(parts, key=lambda part: part.entry.modified)
    counts = (sums(part.tally for part in parts if part is not first)).values()
    tokens = sum(count.generated_tokens for count in counts if isinstance(count, SampleCount))
    return tokens / span if span > 0 and tokens else None


def _around(value: float, share: float) -> dict[str, float]:
    return Range(low=value * (1 - share), likely=value, high=value * (1 + share)).model_dump()


def _differences(run: Run, recipe: Recipe) -> list[str]:
    """Where the pilot's recipe says something else that lengths and pass rates depend on."""
    told = {name: values for name, values in run.recipe.items() if name in ("teacher", "solve")}
    here = {name: settings.result_values(recipe)[name] for name in ("teacher", "solve")}
    lines = settings.difference(told, here)
    return [f"the pilot differs in {line}" for line in lines if not line.startswith("solve.order")]
