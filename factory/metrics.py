"""Every metric of a run, declared once, and the sink that takes the numbers. Knows neither Ray nor Prometheus.

Rooms record into the `Sink` that they are given; the one of `cluster/metrics_sink` reaches Ray's metrics endpoint. What
a worker records lives and dies with it: rates are right, sums over a run are not. Sums come from the journal, recorded
by the driver (`report/funnel_metrics`). The dashboard and the documentation are made from `TABLE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `name` follows Prometheus' conventions, without the `_total` that exporters give to a counter."""

    name: str
    kind: Kind
    unit: str
    help: str
    tags: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()  # upper edges of a histogram's buckets

    @property
    def exported(self) -> str:
        """The name at Ray's metrics endpoint."""
        return f"ray_{self.name}{'_total' if self.kind == 'counter' else ''}"


class Sink(Protocol):
    """Takes numbers: a counter grows by `value`, a gauge becomes it, a histogram sorts it into its buckets."""

    def record(self, metric: Metric, value: float, **tags: str) -> None:
        """`tags` are exactly those that the metric declares."""
        ...


class NullSink:
    """The sink for those who measure nothing."""

    def record(self, metric: Metric, value: float, **tags: str) -> None:
        pass


SILENT = NullSink()


def _counter(name: str, unit: str, text: str, *tags: str) -> Metric:
    return Metric(name=name, kind="counter", unit=unit, help=text, tags=tags)


def _gauge(name: str, unit: str, text: str, *tags: str) -> Metric:
    return Metric(name=name, kind="gauge", unit=unit, help=text, tags=tags)


TOKENS_GENERATED = _counter(
    "factory_tokens_generated", "tokens", "Tokens that engines delivered, as they came.", "role", "mode", "tool"
)
TOKENS_PROMPT = _counter(
    "factory_tokens_prompt",
    "tokens",
    "Tokens sent to engines, at each turn everything so far; what of it was computed, the prefix cache decides.",
    "role",
    "mode",
    "tool",
)
TOKENS_TOOL = _counter("factory_tokens_tool", "tokens", "Tokens of tool output that models were shown.", "mode")
TOKENS_REGENERATED = _counter(
    "factory_tokens_regenerated", "tokens", "Tokens that were generated twice because an engine went away.", "role"
)
FAILOVERS = _counter(
    "factory_failovers", "requests", "Requests whose engine went away; they go on at another replica.", "role"
)
ENGINES_LEFT = _counter(
    "factory_engines_left",
    "replicas",
    "Replicas that left by themselves: dead, silent, canary (wrong answers), loops (an outlier in its pool), machine "
    "(a start that failed there) or fetch (its model could not be had for now).",
    "cause",
)
SAMPLES = _counter("factory_samples", "samples", "Samples drawn to their end.", "mode", "tool", "finish_reason")
SAMPLE_TOKENS = Metric(
    name="factory_sample_tokens",
    kind="histogram",
    unit="tokens",
    help="Generated tokens of finished samples.",
    tags=("mode", "tool"),
    bounds=(256, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072),
)
SEQUENCES = _gauge(
    "factory_engine_sequences",
    "sequences",
    "The pool of a role as a worker sees it: running, waiting, capacity. Every worker of the role sees the same pool: "
    "take the maximum.",
    "role",
    "state",
)
ENGINE_SECONDS = _counter(
    "factory_engine_seconds",
    "seconds",
    "Where the time of a role's pool went: busy, or idle by cause. Every worker of the role accounts for the whole "
    "pool: take shares.",
    "role",
    "cause",
)
PROGRAMS = _gauge(
    "factory_programs", "rows", "Rows of a worker: running, queued at the gate, wanted.", "stage", "state"
)
CELLS = _gauge("factory_cells_under_way", "cells", "Traces blocked on a Python cell, running or queued.")
CELL_SECONDS = Metric(
    name="factory_cell_seconds",
    kind="histogram",
    unit="seconds",
    help="Time of a tool call as its trace waits for it, with the way to the sandbox and back.",
    tags=("status",),
    bounds=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
PAIRS = _counter("factory_pairs_compared", "pairs", "Answer pairs compared: cached, at_sight or in a worker.", "how")
CHECKERS_REPLACED = _counter(
    "factory_checkers_replaced", "processes", "Checker processes that overran a limit or died, and were replaced."
)
JOURNAL_HELD = _gauge("factory_journal_held_bytes", "bytes", "Rows of a worker that are not in storage yet.")
JOURNAL_LAG = _gauge(
    "factory_journal_lag_seconds", "seconds", "Age of the oldest row of a worker that is not in storage yet."
)
PROBLEMS = _gauge("factory_problems", "problems", "Problems of the run, by the journal: finished, total.", "state")
VERDICTS = _counter("factory_verdicts", "problems", "Problems that ended with a verdict, by the journal.")
REJECTS = _counter("factory_rejects", "rows", "Rows that left the run, by the journal.", "stage", "reason")

TABLE = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
