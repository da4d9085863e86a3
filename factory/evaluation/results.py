"""The result of an evaluation: every metric of every configuration, over all problems and for each source of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from factory.evaluation import metrics as m
from factory.evaluation.intervals import Estimate, bootstrap, estimate, rerun_error
from factory.evaluation.samples import DIRECTORY, ProblemSamples
from factory.store.fs import Store

RESULT = f"{DIRECTORY}result.json"
ALL = "all"
"""The subset of every problem."""
FEW = 100
"""Fewer problems than this leave an interval of several points, which is said."""


@dataclass(slots=True)
class Samples:
    """The samples of P problems in one configuration, as arrays of shape (P, n); what was not drawn is padded."""

    mode: str
    tool: bool
    ids: list[str]
    sources: list[str]
    references: list[str]
    outcomes: m.Outcomes
    classes: m.Classes
    tokens: npt.NDArray[np.float64]
    calls: npt.NDArray[np.float64]
    truncated: npt.NDArray[np.bool_]
    seconds: npt.NDArray[np.float64]
    values: dict[str, npt.NDArray[np.float64]]

    def of(self, places: npt.NDArray[np.int64]) -> Samples:
        """Some of the problems, by their places."""
        return Samples(
            mode=self.mode,
            tool=self.tool,
            ids=[self.ids[place] for place in places],
            sources=[self.sources[place] for place in places],
            references=[self.references[place] for place in places],
            outcomes=self.outcomes[places],
            classes=self.classes[places],
            tokens=self.tokens[places],
            calls=self.calls[places],
            truncated=self.truncated[places],
            seconds=self.seconds[places],
            values={name: array[places] for name, array in self.values.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with its errors; shares, not per cent."""

    estimate: Estimate
    bootstrap: tuple[float, float] | None
    floor: float | None
    """With every undecided sample taken as wrong..."""
    ceiling: float | None
    """... and as right: the truth lies between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What one mode, with Python or without, came to on one subset of the problems."""

    mode: str
    tool: bool
    subset: str
    problems: int
    samples: int
    """Of each problem, at most."""
    metrics: dict[str, Metric]
    majority_share: float | None
    rerun_error: float | None
    """Standard error of pass@1 if the same problems were sampled again."""
    tokens: float
    """Generated, of a sample on average."""
    tokens_p95: float
    calls: float
    """Python calls of a sample on average."""
    seconds: float
    truncated: float
    """Share of samples that ended at a limit."""
    no_answer: float
    undecided: float
    """Share of samples that could not be judged."""

    @property
    def name(self) -> str:
        return f"{self.mode} {'with Python' if self.tool else 'without'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that an evaluation found."""

    name: str
    model: str
    revision: str | None
    fingerprint: str
    configurations: list[Configuration]
    rejected: dict[str, int] = field(default_factory=dict)
    """Problems that were not evaluated, by reason."""
    sampling: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def overall(self) -> list[Configuration]:
        """The configurations over all problems."""
        return [c for c in self.configurations if c.subset == ALL]

    def to_json(self) -> bytes:
        """Standard JSON: what is not known is null."""
        return (json.dumps(_known(asdict(self)), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @staticmethod
    def from_json(data: bytes) -> Result:
        values = json.loads(data)
        values["configurations"] = [
            Configuration(**{**c, "metrics": {name: _metric(v) for name, v in c["metrics"].items()}})
            for c in values["configurations"]
        ]
        return Result(**values)


def gather(rows: Iterable[ProblemSamples]) -> list[Samples]:
    """The samples of each configuration as arrays, problems in the order of their ids."""
    groups: dict[tuple[str, bool], list[ProblemSamples]] = defaultdict(list)
    for row in rows:
        groups[row.mode.value, row.tool].append(row)
    return [
        _arrays(mode, tool, sorted(group, key=lambda row: row.problem_id))
        for (mode, tool), group in sorted(
            groups.items(), key=lambda item: (("high", "medium", "low").index(item[0][0]), not item[0][1])
        )
    ]


def summarise(samples: Samples, sizes: Sequence[int], subset: str = ALL) -> Configuration:
    """The metrics of one configuration; `sizes` are the k of those that have one."""
    drawn = samples.outcomes != m.ABSENT
    shares = m.majority_share(samples.classes)
    return Configuration(
        mode=samples.mode,
        tool=samples.tool,
        subset=subset,
        problems=len(samples.ids),
        samples=int(drawn.sum(axis=1).max(initial=0)),
        metrics=_metrics(samples, sizes),
        majority_share=float(np.nanmean(shares)) if (~np.isnan(shares)).any() else None,
        rerun_error=rerun_error(samples.outcomes),
        tokens=float(samples.tokens[drawn].mean()),
        tokens_p95=float(np.percentile(samples.tokens[drawn], 95)),
        calls=float(samples.calls[drawn].mean()),
        seconds=float(samples.seconds[drawn].mean()),
        truncated=float(samples.truncated[drawn].mean()),
        no_answer=float((samples.classes[drawn] == m.NO_CLASS).mean()),
        undecided=float((samples.outcomes[drawn] == m.UNDECIDED).mean()),
    )


def by_subset(samples: Samples, sizes: Sequence[int]) -> list[Configuration]:
    """One configuration over all problems, and over each source where there are several."""
    found = [summarise(samples, sizes)]
    sources = np.array(samples.sources)
    names = sorted(set(samples.sources))
    for name in names if len(names) > 1 else ():
        found.append(summarise(samples.of(np.flatnonzero(sources == name)), sizes, name))
    return found


def scores(samples: Samples, metric: str, outcomes: m.Outcomes | None = None) -> m.Scores:
    """One score a problem, of a metric by its name: `pass@1`, `pass@4`, `pass^4`, `maj@16`, `best@8 by reward`."""
    judged = samples.outcomes if outcomes is None else outcomes
    kind, _, rest = metric.partition("^" if "^" in metric else "@")
    size, _, by = rest.partition(" by ")
    k = int(size)
    if by:
        return m.best_of_k(judged, samples.values[by], k)
    if kind == "maj":
        return m.majority_at_k(judged, samples.classes, k)
    if "^" in metric:
        return m.pass_hat_k(judged, k)
    return m.pass_at_1(judged) if k == 1 else m.pass_at_k(judged, k)


def notes(configurations: Sequence[Configuration]) -> list[str]:
    """What a reader of the table must know: how little few problems say, and what could not be judged."""
    told = []
    overall = [c for c in configurations if c.subset == ALL]
    few = [c for c in overall if c.problems < FEW and (e := c.metrics["pass@1"].estimate).low is not None]
    if few:
        widest = max(((e.high or 0) - (e.low or 0)) / 2 for c in few if (e := c.metrics["pass@1"].estimate))
        told.append(
            f"{few[0].problems} problems leave pass@1 uncertain by up to {100 * widest:.1f} points either way: models "
            "that lie closer cannot be told apart by these tables. `factory compare` compares them problem by problem."
        )
    undecided = max((c.undecided for c in overall), default=0.0)
    if undecided:
        told.append(
            f"Up to {undecided:.1%} of the samples could not be judged; they count for neither side, and `floor` and "
            "`ceiling` are the metrics with all of them taken as wrong, or as right."
        )
    truncated = max((c.truncated for c in overall), default=0.0)
    if truncated >= 0.01:
        told.append(f"Up to {truncated:.1%} of the samples ended at a limit of tokens, context, calls or time.")
    return told


def load(store: Store) -> Result | None:
    """The stored result; None where the evaluation has not come to its end."""
    return Result.from_json(store.read(RESULT)) if store.exists(RESULT) else None


def _metrics(samples: Samples, sizes: Sequence[int]) -> dict[str, Metric]:
    larger = [k for k in sizes if k > 1]
    names = ["pass@1", *(f"{kind}{k}" for kind in ("pass@", "pass^", "maj@") for k in larger)]
    names += [f"best@{k} by {value}" for value in samples.values for k in larger]
    return {name: _measured(samples, name) for name in names}


def _measured(samples: Samples, name: str) -> Metric:
    found = scores(samples, name)
    low, high = bootstrap(found)
    bounds = [_mean(scores(samples, name, m.decided_as(samples.outcomes, side))) for side in (m.WRONG, m.RIGHT)]
    return Metric(
        estimate=estimate(found),
        bootstrap=None if np.isnan(low) else (low, high),
        floor=bounds[0],
        ceiling=bounds[1],
    )


def _mean(values: m.Scores) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _arrays(mode: str, tool: bool, rows: Sequence[ProblemSamples]) -> Samples:
    n = max(row.samples for row in rows)
    names = sorted({name for row in rows for name in row.values})

    def padded(lists: Iterable[Sequence[Any]], filler: Any, dtype: Any) -> Any:
        array = np.full((len(rows), n), filler, dtype)
        for place, values in enumerate(lists):
            array[place, : len(values)] = values
        return array

    return Samples(
        mode=mode,
        tool=tool,
        ids=[row.problem_id for row in rows],
        sources=[row.source for row in rows],
        references=[row.reference for row in rows],
        outcomes=padded((row.outcomes for row in rows), m.ABSENT, np.int8),
        classes=padded((row.classes for row in rows), m.NO_CLASS, np.int32),
        tokens=padded((row.n_generated_tokens for row in rows), np.nan, np.float64),
        calls=padded((row.n_calls for row in rows), np.nan, np.float64),
        truncated=padded(([reason != "stop" for reason in row.finish_reasons] for row in rows), False, np.bool_),
        seconds=padded((row.seconds for row in rows), np.nan, np.float64),
        values={name: padded((row.values.get(name, []) for row in rows), np.nan, np.float64) for name in names},
    )


def _metric(values: dict[str, Any]) -> Metric:
    interval = tuple(values["bootstrap"]) if values["bootstrap"] else None
    return Metric(**{**values, "estimate": Estimate(**values["estimate"]), "bootstrap": interval})


def _known(value: Any) -> Any:
    """The value with null for NaN."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
