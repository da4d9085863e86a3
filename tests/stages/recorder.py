"""A sink that remembers what was recorded."""

from __future__ import annotations

from collections import defaultdict

from factory.metrics import Metric


class Recorder:
    """Keeps what was recorded: sums of counters, last values of gauges, all values of histograms."""

    def __init__(self) -> None:
        self.values: dict[tuple[Metric, tuple[str, ...]], list[float]] = defaultdict(list)

    def record(self, metric: Metric, value: float, **tags: str) -> None:
        assert tuple(sorted(tags)) == tuple(sorted(metric.tags)), f"{metric.name} is declared with other tags"
        assert metric.kind != "counter" or value >= 0
        self.values[metric, tuple(tags[name] for name in metric.tags)].append(value)

    def sum(self, metric: Metric, *tags: str) -> float:
        return sum(self.values[metric, tags])

    def last(self, metric: Metric, *tags: str) -> float:
        return self.values[metric, tags][-1]

    def all(self, metric: Metric) -> dict[tuple[str, ...], float]:
        return {tags: sum(values) for (known, tags), values in self.values.items() if known is metric}
