"""The sections of a run's page on machine time: what the engines' time went to, and what it has cost."""

from __future__ import annotations

from collections.abc import Sequence

from factory.planning.cost import HOUR, Cost
from factory.report import charts
from factory.report.html import Section, plots, table
from factory.report.plots import key
from factory.store.usage import Usage

_STARTS = 12
"""Latest starts that get a bar and a row of their own."""
MEANING = {
    "busy": "sequences were being decoded: what is paid for",
    "tools": "traces waited for Python",
    "engine": "requests waited although slots were free: the cache was full, or prefills had the turn",
    "ramp": "more programs were being let in, or were between two requests",
    "limit": "as many programs as are allowed were under way, and more were waiting to be let in",
    "tail": "nothing was left to let in, the last programs ran",
    "loading": "no replica was up",
    "no_work": "no program was there to run",
}


def engine_time(usages: Sequence[Usage], whole: Cost | None) -> Section:
    """Shares of the engines' slots by what kept them busy or empty."""
    if whole is None or not whole.engine_time:
        return Section("engine-time", "Engine time", "")
    accounts = [("all starts", whole.engine_time)]
    latest = [usage for usage in usages if any(usage.engine_time.values())][-_STARTS:]
    if len(latest) > 1:
        accounts += [(_moment(usage.started), usage.engine_time) for usage in latest]
    rows = [[cause, MEANING.get(cause, ""), f"{share:.1%}"] for cause, share in whole.engine_time.items()]
    body = plots([key(list(charts.CAUSES.items())), charts.engine_time(accounts)])
    lead = "The time of the pool's slots by cause, as the program workers saw it; docs/tuning.md says what to change."
    return Section("engine-time", "Engine time by cause", body + table(["cause", "", "share"], rows, words=2), lead)


def cost(usages: Sequence[Usage], whole: Cost | None, kept: int, hours_left: float | None) -> Section:
    """Machine hours so far, the money they stand for, and what a kept trace costs."""
    if whole is None:
        return Section("cost", "Cost", "")
    rows = [
        ["wall time of all starts", f"{whole.hours:,.2f} h", ""],
        ["GPUs of the cluster", f"{whole.gpu_hours:,.2f} GPU-h", money(whole.gpu_cost)],
        ["of these with an engine up", f"{whole.engine_gpu_hours:,.2f} GPU-h", ""],
        ["CPUs of machines without GPUs", f"{whole.cpu_hours:,.2f} CPU-h", money(whole.cpu_cost)],
        ["together", "", money(whole.total)],
        ["per kept trace", f"{kept:,} traces", money(whole.total / kept) if kept else "-"],
    ]
    if hours_left is not None and whole.hours and hours_left > 0:
        rows.append(["still to come, at the present rate", f"{hours_left:,.1f} h", "estimate"])
    starts = [
        [
            _moment(usage.started),
            "ended" if usage.ended else f"last heard of {_moment(usage.updated)}",
            usage.seconds / HOUR,
            usage.cluster_s.get("GPU", 0.0) / HOUR,
            usage.cluster_s.get("CPU", 0.0) / HOUR,
            usage.cluster_s.get("nodes", 0.0) / max(usage.seconds, 1e-9),
        ]
        for usage in list(usages)[-_STARTS:]
    ]
    heads = ["start (UTC)", "state", "hours", "GPU-hours", "CPU-hours", "machines on average"]
    body = table(["", "measured", "cost"], rows) + table(heads, starts, words=2)
    lead = (
        f"Rests on: {'; '.join(whole.rests_on)}. Charged is the whole cluster while a start of the job was at work on "
        "it, busy or not; machines kept between starts, storage and traffic are not counted."
    )
    return Section("cost", "Cost", body, lead)


def money(value: float | None) -> str:
    """An amount in the currency that prices were given in."""
    if value is None:
        return "no price"
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.3g}"


def _moment(text: str) -> str:
    """2026-11-22 15:04 of a stamp."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[9:11]}:{text[11:13]}"
