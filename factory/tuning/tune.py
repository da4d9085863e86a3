"""Walk through the candidates, remember what was measured, and say what is best: `factory tune RECIPE --out URI`.

One setting after the other is varied, with the best value of those before it. Each measurement is kept at the URI, so a
tuning that was stopped continues with what is missing. Candidates that the cluster has GPUs for run side by side.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import ray
import yaml

from factory import sources
from factory.cluster import services
from factory.engines import serve
from factory.errors import FactoryError
from factory.recipe import Recipe, VllmSettings
from factory.records import Problem
from factory.sandbox.pool import SandboxPool
from factory.store.fs import Store
from factory.tuning.candidates import SettingAxis, changes, default_axes, digest, with_value
from factory.tuning.measure import Measurement, measure

PLACE = "tuning"
PROBLEMS = 1000
"""Problems that programs are run over, again and again."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one candidate: for its engine to start, to fill up, and to be measured."""

    start: float = 1200.0
    warm_up: float = 120.0
    measured: float = 180.0


def tune(
    recipe: Recipe,
    uri: str,
    axes: Sequence[SettingAxis] = (),
    *,
    times: Times | None = None,
    emit: Callable[[str], None] = print,
) -> list[Measurement]:
    """Measure what is missing at `uri`; all measurements, best first. Needs a Ray that is initialised.

    Writes `tuning/best.yaml`, to be laid over the recipe, and `tuning/figures.yaml` for `factory plan --figures`.
    """
    services.check(recipe)
    base = recipe.teacher.engine
    if not isinstance(base, VllmSettings):
        raise FactoryError(
            "there is nothing to tune behind an endpoint", remedy="tune the server itself, or use `kind: vllm`"
        )
    store = Store.open(uri)
    store.probe()
    tuning = _Tuning(recipe, base, store, times or Times(), emit)
    best = base
    for axis in axes or default_axes(base, _gpus_per_machine()):
        candidates = [with_value(best, axis.key, value) for value in axis.values]
        best = tuning.best_of([best, *candidates])
        emit(f"{axis.key}: best so far {json.dumps(changes(best, base)) or 'as in the recipe'}")
    tuning.write(best)
    return sorted(tuning.known.values(), key=lambda found: -found.rate)


class _Tuning:
    """What is measured at one place, for one recipe."""

    def __init__(
        self, recipe: Recipe, base: VllmSettings, store: Store, times: Times, emit: Callable[[str], None]
    ) -> None:
        self.known: dict[str, Measurement] = {}
        self._recipe, self._base, self._store, self._times, self._emit = recipe, base, store, times, emit
        self._problems: list[Problem] = []

    def best_of(self, engines: Sequence[VllmSettings]) -> VllmSettings:
        """The fastest; what is not measured yet is measured, as many engines at once as there are GPUs for."""
        wanted = {digest(engine): engine for engine in engines}
        missing = [engine for name, engine in wanted.items() if not self._read(name)]
        if missing:
            self._problems = self._problems or _problems(self._recipe)
            sandbox = SandboxPool.start(self._recipe.sandbox)
            try:
                for some in side_by_side(missing, _gpus()):
                    asyncio.run(self._measure_all(some, sandbox))
            finally:
                sandbox.stop()
        return max(wanted.values(), key=lambda engine: self.known[digest(engine)].rate)

    def write(self, best: VllmSettings) -> None:
        found = self.known[digest(best)]
        override = {"teacher": {"engine": changes(best, self._base)}}
        self._store.write(f"{PLACE}/best.yaml", yaml.safe_dump(override).encode())
        figures = {"output_tokens_per_gpu_s": [round(n, 1) for n in (found.low, found.rate, found.high)]}
        self._store.write(f"{PLACE}/figures.yaml", yaml.safe_dump(figures).encode())

    def _read(self, name: str) -> bool:
        if name not in self.known:
            key = f"{PLACE}/{name}.json"
            if not self._store.exists(key):
                return False
            self.known[name] = Measurement(**json.loads(self._store.read(key)))
        return True

    async def _measure_all(self, engines: Sequence[VllmSettings], sandbox: SandboxPool) -> None:
        found = await asyncio.gather(*(self._measure(engine, sandbox) for engine in engines))
        for engine, measurement in zip(engines, found, strict=True):
            name = digest(engine)
            self.known[name] = measurement
            self._store.write(f"{PLACE}/{name}.json", json.dumps(measurement.to_json(), indent=1).encode())
            self._emit(line(measurement))

    async def _measure(self, engine: VllmSettings, sandbox: SandboxPool) -> Measurement:
        one = engine.model_copy(update={"replicas": (1, 1)})
        recipe = self._recipe.model_copy(update={"teacher": self._recipe.teacher.model_copy(update={"engine": one})})
        run, times = f"tune-{digest(engine)}-{uuid.uuid4().hex[:6]}", self._times  # Serve does not reuse a name at once
        differs = changes(engine, self._base)
        self._emit(f"measuring {json.dumps(differs) if differs else 'the recipe as it is'}")
        began = time.monotonic()
        pool = serve.deploy(run, recipe.teacher)
        try:
            await asyncio.wait_for(pool.identity(), times.start)
            start_s = time.monotonic() - began
            found = await measure(
                recipe, self._problems, pool, sandbox, warm_up_s=times.warm_up, seconds=times.measured
            )
            return replace(found, changes=differs, start_s=start_s)
        except TimeoutError:
            return Measurement(changes=differs, failed=f"no engine within {times.start:.0f} s")
        except FactoryError as error:
            return Measurement(changes=differs, failed=" ".join(str(error).split()))
        finally:
            serve.shutdown(run)


def line(found: Measurement) -> str:
    """A measurement in one line."""
    name = json.dumps(found.changes) if found.changes else "the recipe as it is"
    if found.failed:
        return f"{name}: failed, {found.failed}"
    unit = "tokens/s and GPU" if found.gpus else "tokens/s"
    return (
        f"{name}: {found.rate:,.0f} {unit} ({found.low:,.0f} to {found.high:,.0f}), {found.sequences:,.0f} sequences, "
        f"{found.kv_usage:.0%} of the cache, {found.preemptions} preemptions, {found.prefix_hits:.0%} prefix hits, "
        f"up after {found.start_s:.0f} s"
    )


def _problems(recipe: Recipe) -> list[Problem]:
    """The first problems of the recipe's tables."""
    rows = (row for source in recipe.sources for split in sources.splits(source) for row in sources.read(split))
    found = list(islice((row for row in rows if isinstance(row, Problem)), PROBLEMS))
    if not found:
        raise FactoryError(
            "there are no problems to tune with",
            why="the recipe's sources hold none",
            remedy="give a table of problems",
        )
    return found


def side_by_side(engines: Sequence[VllmSettings], gpus: float) -> list[list[VllmSettings]]:
    """Groups that fit on the cluster together. Without GPUs one at a time, as they would share its CPUs."""
    groups: list[list[VllmSettings]] = []
    free = 0.0
    for engine in engines:
        if not groups or not engine.reserved_gpus or engine.reserved_gpus > free:
            groups.append([])
            free = gpus
        groups[-1].append(engine)
        free -= engine.reserved_gpus
    return groups


def _gpus() -> float:
    return float(ray.cluster_resources().get("GPU", 0.0))


def _gpus_per_machine() -> int:
    return max((int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]), default=0)


def report(found: Sequence[Measurement], uri: str) -> dict[str, Any]:
    """All that was measured, for `--json`."""
    return {"measurements": [one.to_json() for one in found], "best": f"{uri.rstrip('/')}/{PLACE}/best.yaml"}
