"""Write the Grafana dashboard of a run, `factory.json`: `.venv/bin/python jobs/grafana/write_dashboard.py`.

Queries are written over the metrics of `factory/metrics.py` and over those that vLLM's replicas export themselves.
A test holds the written file to this one, and every metric to a panel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory import metrics
from factory.metrics import Metric

TARGET = Path(__file__).parent / "factory.json"
RUN = 'run=~"$run"'


@dataclass(frozen=True)
class Panel:
    """One graph: queries with their legends, the unit as Grafana names it, and what a reader should take from it."""

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    stacked: bool = False


def rate(metric: Metric, by: str = "") -> str:
    """Growth per second, summed over workers."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric.exported}{{{RUN}}}[$__rate_interval]))"


def quantile(metric: Metric, q: float, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    buckets = f"rate({metric.exported}_bucket{{{RUN}}}[$__rate_interval])"
    return f"histogram_quantile({q}, sum by ({labels}) ({buckets}))"


def count_rate(metric: Metric, by: str) -> str:
    """Events per second of a histogram."""
    return f"sum by ({by}) (rate({metric.exported}_count{{{RUN}}}[$__rate_interval]))"


def gauge(metric: Metric, how: str, by: str = "") -> str:
    return f"{how}{f' by ({by})' if by else ''} ({metric.exported}{{{RUN}}})"


def vllm(name: str) -> str:
    """A metric of vLLM's own, as its replicas export it through Ray; these know nothing of runs."""
    return f"ray_vllm_{name}"


ROWS: dict[str, tuple[Panel, ...]] = {
    "How far, how fast": (
        Panel(
            "Problems",
            "Finished (verdict or reject) of all, by the journal.",
            "short",
            ((gauge(metrics.PROBLEMS, "max", "state"), "{{state}}"),),
        ),
        Panel(
            "Generated tokens/s",
            "What engines deliver to programs. Divide by the price of the GPUs.",
            "short",
            ((rate(metrics.TOKENS_GENERATED, "role, mode, tool"), "{{role}} {{mode}} {{tool}}"),),
            stacked=True,
        ),
        Panel(
            "Samples/s by ending",
            "`stop`: the model ended by itself. Much `length` or `context`: budgets are short. `repetition`: loops.",
            "short",
            ((rate(metrics.SAMPLES, "finish_reason"), "{{finish_reason}}"),),
            stacked=True,
        ),
        Panel(
            "Problems per hour by fate",
            "Verdicts, and rejects by stage and reason, by the journal.",
            "short",
            (
                (f"3600 * {rate(metrics.VERDICTS)}", "verdict"),
                (f"3600 * {rate(metrics.REJECTS, 'stage, reason')}", "{{stage}}/{{reason}}"),
            ),
            stacked=True,
        ),
    ),
    "Engines": (
        Panel(
            "Where the engines' time goes",
            "`busy` is what you pay for; docs/tuning.md has one change for each other cause.",
            "percentunit",
            ((f"{rate(metrics.ENGINE_SECONDS, 'role, cause')} / ignoring(cause) group_left "
              f"{rate(metrics.ENGINE_SECONDS, 'role')}", "{{role}} {{cause}}"),),
            stacked=True,
        ),
        Panel(
            "Sequences by role",
            "Admission keeps 5 to 25 % of the capacity waiting. Many waiting beside free capacity: the cache is full.",
            "short",
            ((gauge(metrics.SEQUENCES, "max", "role, state"), "{{role}} {{state}}"),),
        ),
        Panel(
            "Prefix cache hits",
            "Share of prompt tokens that vLLM did not have to compute. A trace's turns should find their prefix: well "
            "above 90 % with many tool calls.",
            "percentunit",
            (
                (f"sum(rate({vllm('prefix_cache_hits_total')}[$__rate_interval])) / "
                 f"sum(rate({vllm('prefix_cache_queries_total')}[$__rate_interval]))", "hits"),
            ),
        ),
        Panel(
            "Sequences by replica",
            "As vLLM counts them. A replica that stays low is new, drained, or misses its share of the traces.",
            "short",
            (
                (f"sum by (ReplicaId) ({vllm('num_requests_running')})", "{{ReplicaId}} running"),
                (f"sum by (ReplicaId) ({vllm('num_requests_waiting')})", "{{ReplicaId}} waiting"),
            ),
        ),
        Panel(
            "KV cache",
            "Share of each replica's cache in use. At 100 % sequences are put off and computed again.",
            "percentunit",
            ((f"max by (ReplicaId) ({vllm('kv_cache_usage_perc')})", "{{ReplicaId}}"),),
        ),
        Panel(
            "Prompt tokens/s",
            "Sent by programs, cached or not; a trace sends all of itself at each turn.",
            "short",
            ((rate(metrics.TOKENS_PROMPT, "role, mode, tool"), "{{role}} {{mode}} {{tool}}"),),
            stacked=True,
        ),
    ),
    "Python": (
        Panel(
            "Time of a tool call",
            "As the trace waits for it. The timeout is `sandbox.timeout_s`.",
            "s",
            tuple((quantile(metrics.CELL_SECONDS, q), f"p{round(100 * q)}") for q in (0.5, 0.9, 0.99)),
        ),
        Panel(
            "Tool calls/s by status",
            "`error` is the model's own exception. `lost`: the sandbox's machine went away.",
            "short",
            ((count_rate(metrics.CELL_SECONDS, "status"), "{{status}}"),),
            stacked=True,
        ),
        Panel(
            "Traces that wait for Python",
            "Cells that run or wait to run. Beside idle time by `tools`: more `sandbox.actors`.",
            "short",
            ((gauge(metrics.CELLS, "sum"), "cells"),),
        ),
        Panel(
            "Tokens/s of tool output",
            "What models read of their programs' output; it counts against a sample's budget.",
            "short",
            ((rate(metrics.TOKENS_TOOL, "mode"), "{{mode}}"),),
            stacked=True,
        ),
    ),
    "Loss": (
        Panel(
            "Failovers per minute",
            "Requests whose engine went away; each costs one prefill and at most one chunk.",
            "short",
            ((f"60 * {rate(metrics.FAILOVERS, 'role')}", "{{role}}"),),
        ),
        Panel(
            "Replicas that left, per hour",
            "By themselves, and replaced: dead, silent, wrong answers, loops, or a machine on which none starts.",
            "short",
            ((f"3600 * {rate(metrics.ENGINES_LEFT, 'cause')}", "{{cause}}"),),
        ),
        Panel(
            "Tokens generated twice",
            "Share of all generated tokens.",
            "percentunit",
            ((f"{rate(metrics.TOKENS_REGENERATED)} / {rate(metrics.TOKENS_GENERATED)}", "generated twice"),),
        ),
        Panel(
            "Journal lag",
            "Age of the oldest row that a crash now would cost, worst worker. Around `journal.part_age_s` is normal; "
            "far above it, storage does not keep up.",
            "s",
            ((gauge(metrics.JOURNAL_LAG, "max"), "oldest row"),),
        ),
        Panel(
            "Journal held in memory",
            "All workers. A worker that holds four parts makes its programs wait.",
            "bytes",
            ((gauge(metrics.JOURNAL_HELD, "sum"), "all"), (gauge(metrics.JOURNAL_HELD, "max"), "worst worker")),
        ),
    ),
    "Programs": (
        Panel(
            "Rows under way",
            "Queued at the gate while the engines have room: more `programs.problems_in_flight`.",
            "short",
            ((gauge(metrics.PROGRAMS, "sum", "stage, state"), "{{stage}} {{state}}"),),
        ),
        Panel(
            "Length of samples",
            "Generated tokens, median and 99th percentile by mode.",
            "short",
            tuple((quantile(metrics.SAMPLE_TOKENS, q, "mode"), f"{{{{mode}}}} p{round(100 * q)}") for q in (0.5, 0.99)),
        ),
        Panel(
            "Answers compared/s",
            "`worker` pairs cost a checker's time; the others are free.",
            "short",
            ((rate(metrics.PAIRS, "how"), "{{how}}"),),
            stacked=True,
        ),
        Panel(
            "Checkers replaced per minute",
            "Comparisons that overran time or memory, and were left undecided.",
            "short",
            ((f"60 * {rate(metrics.CHECKERS_REPLACED)}", "replaced"),),
        ),
    ),
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard in Grafana's JSON model, schema 36 (Grafana 9 and newer read it)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, members in ROWS.items():
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": row, "collapsed": False, "panels": [],
             "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}
        )  # fmt: skip
        y += 1
        for place, panel in enumerate(members):
            grid = {"x": 12 * (place % 2), "y": y + 8 * (place // 2), "w": 12, "h": 8}
            panels.append(_panel(panel, len(panels) + 1, grid))
        y += 8 * -(-len(members) // 2)
    return {
        "uid": "trace-factory",
        "title": "Trace factory",
        "description": "Written by jobs/grafana/write_dashboard.py",
        "tags": ["ray"],
        "schemaVersion": 36,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": [_datasource(), _run()]},
        "annotations": {"list": []},
        "panels": panels,
    }


def text() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> dict[str, Any]:
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if panel.stacked else 5, "showPoints": "never",
              "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"}}  # fmt: skip
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "right", "calcs": ["mean", "lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus", "hide": 0}


def _run() -> dict[str, Any]:
    return {
        "name": "run",
        "type": "query",
        "label": "Run",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": f"label_values({metrics.PROBLEMS.exported}, run)", "refId": "run"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
