"""The sink that reaches Ray's metrics endpoint, which Prometheus scrapes on every machine of the cluster."""

from __future__ import annotations

from functools import cache

from ray.util import metrics as ray_metrics

from factory.metrics import Metric


class RaySink:
    """Records under the tag `run`, so that the runs of one cluster stay apart. Use it in a process that Ray runs."""

    def __init__(self, run: str) -> None:
        self._run = run

    def record(self, metric: Metric, value: float, **tags: str) -> None:
        tags["run"] = self._run
        target = _registered(metric)
        if isinstance(target, ray_metrics.Gauge):
            target.set(value, tags)
        elif isinstance(target, ray_metrics.Histogram):
            target.observe(value, tags)
        elif value > 0:  # a counter refuses to grow by nothing
            target.inc(value, tags)

    def __reduce__(self) -> tuple[type[RaySink], tuple[str]]:
        return RaySink, (self._run,)


@cache
def _registered(metric: Metric) -> ray_metrics.Counter | ray_metrics.Gauge | ray_metrics.Histogram:
    keys = (*metric.tags, "run")
    match metric.kind:
        case "counter":
            return ray_metrics.Counter(metric.name, metric.help, keys)
        case "gauge":
            return ray_metrics.Gauge(metric.name, metric.help, keys)
        case "histogram":
            return ray_metrics.Histogram(metric.name, metric.help, list(metric.bounds), keys)
