"""What a run has cost so far: the machine time that its starts put on record, times prices.

Machine time is measured, prices are given: by `--price`, by the recipe of the start, or for GPUs by the middle of the
plan's placeholder. What is charged is the whole cluster for as long as a start was at work on it, busy or not; time
between starts, storage and traffic are not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from factory import settings
from factory.planning.figures import PlanFigures
from factory.recipe import Prices
from factory.store.usage import Usage

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Hours that were measured, and the money they stand for. `rests_on` says where each price is from."""

    starts: int
    hours: float  # of wall time, over all starts
    gpu_hours: float  # of the cluster
    engine_gpu_hours: float  # of these, with an engine replica up
    cpu_hours: float  # logical CPUs of the cluster's machines without GPUs
    engine_time: dict[str, float]  # shares by cause
    gpu_cost: float
    cpu_cost: float | None  # None if nobody has given a price
    rests_on: list[str]

    @property
    def total(self) -> float:
        return self.gpu_cost + (self.cpu_cost or 0.0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total": self.total}


def prices(overrides: Sequence[str] | None) -> Prices:
    """Prices from `gpu_hour=2.5`-like texts. Raises `FactoryError` for a key that is none, or no number."""
    return settings.validate(Prices, settings.override({}, overrides or []), "--price")


def cost(usages: Sequence[Usage], given: Prices | None = None) -> Cost | None:
    """The cost of all starts together; None if none is on record."""
    if not usages:
        return None
    given = given or Prices()
    typical = PlanFigures().gpu_hour_price.likely
    gpu_cost, cpu_cost, sources = 0.0, 0.0, dict[str, None]()
    priced = False
    for usage in usages:
        gpus, cpus = (usage.cluster_s.get(name, 0.0) / HOUR for name in ("GPU", "CPU"))
        gpu_price, source = _price("gpu_hour", given, usage.prices)
        if gpus:
            sources[source or f"{typical:g} a GPU-hour, a placeholder: give --price gpu_hour=..."] = None
        gpu_cost += gpus * (typical if gpu_price is None else gpu_price)
        cpu_price, source = _price("cpu_hour", given, usage.prices)
        if cpu_price is not None:
            priced, cpu_cost = True, cpu_cost + cpus * cpu_price
            sources[source] = None
    if not priced:
        sources["CPUs without a price: give --price cpu_hour=..."] = None
    time = Counter[str]()
    for usage in usages:
        time.update(usage.engine_time)
    whole = sum(time.values())
    return Cost(
        starts=len(usages),
        hours=sum(usage.seconds for usage in usages) / HOUR,
        gpu_hours=sum(usage.cluster_s.get("GPU", 0.0) for usage in usages) / HOUR,
        engine_gpu_hours=sum(sum(usage.gpu_s.values()) for usage in usages) / HOUR,
        cpu_hours=sum(usage.cluster_s.get("CPU", 0.0) for usage in usages) / HOUR,
        engine_time={cause: n / whole for cause, n in time.most_common() if n} if whole else {},
        gpu_cost=gpu_cost,
        cpu_cost=cpu_cost if priced else None,
        rests_on=list(sources),
    )


def _price(name: str, given: Prices, recorded: Mapping[str, float]) -> tuple[float | None, str]:
    """One price and where it is from, in words."""
    unit = "a GPU-hour" if name == "gpu_hour" else "a CPU-hour"
    value = getattr(given, name)
    if value is not None:
        return value, f"{value:g} {unit}, as given"
    if name in recorded:
        return recorded[name], f"{recorded[name]:g} {unit}, from the recipe"
    return None, ""
