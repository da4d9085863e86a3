"""The services of a run: engine pools, sandboxes and the ledger. Started by the driver, reached by every worker."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from factory import recipe as r
from factory.cluster.fence import end_with_driver
from factory.cluster.metrics_sink import RaySink
from factory.dialects import dialect, named, told_apart
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import departures, lease, model_files, serve
from factory.engines.connect import open_model
from factory.engines.protocol import Engine
from factory.engines.serve_replica import drain_this_node
from factory.metrics import Sink
from factory.prompts.promise import python_tool
from factory.sandbox.pool import SandboxPool
from factory.stages.services import Services
from factory.store.fs import Store
from factory.store.run import Run

DRAIN_S = 120.0
"""How long what else runs on a machine may continue, once its workers cannot write."""


@dataclass(frozen=True, slots=True)
class Connector:
    """Awaited in a worker, it gives the worker its `Services`, and ends the worker with its driver's claim on the run.

    Small to pickle: handles and the recipe.
    """

    recipe: r.RunRecipe
    store: Store
    driver: int
    pools: Mapping[r.Role, Engine]  # roles that are served on the cluster
    sandbox: SandboxPool | None
    ledger: Any
    metrics: Sink

    async def __call__(self) -> Services:
        promise = python_tool(self.recipe.python) if self.recipe.python else ""
        models = {
            role: open_model(section, pool=self.pools.get(role), python=promise)
            for role, section in self.recipe.roles.items()
        }
        end_with_driver(self.store, self.driver)
        begin, recorded = self.ledger.begin.remote, self.ledger.recorded.remote
        return Services(models, self.sandbox, begin, recorded, self.metrics, self._leave)

    async def _leave(self) -> None:
        """End this worker, for Ray to start one on another machine; unless the ledger cannot write either."""
        if await self.ledger.others_can_write.remote(ray.get_runtime_context().get_node_id()):
            await asyncio.to_thread(drain_this_node, "its workers cannot write to the run's storage", DRAIN_S)
            os._exit(1)


def check(recipe: r.RunRecipe) -> None:
    """Raise `FactoryError` for an unknown dialect, and a model directory here that lacks files or control tokens, or
    cannot be told the modes of the recipe.
    """
    for role, teacher in recipe.roles.items():
        named(teacher.dialect)
        if isinstance(teacher.engine, r.VllmSettings) and Path(teacher.model).is_dir():
            model_files.resolve(teacher.model, teacher.revision)
            tokenizer = HfTokenizer(model_files.tokenizer_file(teacher.model))
            told_apart(dialect(teacher.dialect, tokenizer, chat=teacher.chat), recipe.modes(role))


@contextmanager
def hold_engines(recipe: r.RunRecipe, run: Run, driver: int) -> Iterator[None]:
    """A driver's claim on the engine pools of its run, for the length of a block; its end ends them.

    Pools of an earlier start stay up for it, and those that it left behind when it died after its last row end with it.
    """
    engines = [t.engine for t in recipe.roles.values() if isinstance(t.engine, r.VllmSettings)]
    if not engines:
        yield
        return
    with lease.held(run.fingerprint, max(engine.linger_s for engine in engines), driver):
        yield


@contextmanager
def running(
    recipe: r.RunRecipe, run: Run, ledger: Any, driver: int, emit: Callable[[str], None]
) -> Iterator[Connector]:
    """The services for the length of a block inside `hold_engines`. Pools of an earlier start are found and used.

    What isolates model-written code goes on record in the run: the effects that hold, or what is claimed instead.
    """
    served = {role: t for role, t in recipe.roles.items() if isinstance(t.engine, r.VllmSettings)}
    with ExitStack() as stack:
        pools: dict[r.Role, Engine] = {
            role: serve.deploy(run.fingerprint, teacher, run.store) for role, teacher in served.items()
        }
        stack.enter_context(departures.counted(run.store, RaySink(run.fingerprint)))
        for role, teacher in served.items():
            emit(f"{role}: {teacher.model}, engines are starting")
        sandbox = SandboxPool.start(recipe.python) if recipe.python else None
        if sandbox:
            stack.callback(sandbox.stop)
            run.store.write("sandbox.json", json.dumps(sandbox.describe(), indent=1).encode())
        yield Connector(recipe, run.store, driver, pools, sandbox, ledger, RaySink(run.fingerprint))
