"""The services of a run: engine pools, sandboxes and the ledger. Started by the driver, reached by every worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory import recipe as r
from factory.cluster.metrics_sink import RaySink
from factory.dialects import dialect
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import lease, model_files, serve
from factory.engines.connect import open_model
from factory.engines.protocol import Engine
from factory.metrics import Sink
from factory.prompts.promise import python_tool
from factory.sandbox.pool import SandboxPool
from factory.stages.services import Services
from factory.store.run import Run


@dataclass(frozen=True, slots=True)
class Connector:
    """Awaited in a worker, it gives the worker its `Services`. Small to pickle: handles and the recipe."""

    recipe: r.RunRecipe
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
        return Services(models, self.sandbox, self.ledger.begin.remote, self.ledger.recorded.remote, self.metrics)


def check(recipe: r.RunRecipe) -> None:
    """Raise `FactoryError` for a model directory on this machine that is not complete, or lacks control tokens."""
    for teacher in recipe.roles.values():
        if isinstance(teacher.engine, r.VllmEngine) and Path(teacher.model).is_dir():
            model_files.resolve(teacher.model, teacher.revision)
            dialect(teacher.dialect, HfTokenizer(model_files.tokenizer_file(teacher.model)))


@contextmanager
def running(recipe: r.RunRecipe, run: Run, ledger: Any, say: Callable[[str], None]) -> Iterator[Connector]:
    """The services for the length of a block. Pools of an earlier start of this run are found and used.

    What isolates model-written code goes on record in the run: the effects that hold, or what is claimed instead.
    """
    served = {role: t for role, t in recipe.roles.items() if isinstance(t.engine, r.VllmEngine)}
    with ExitStack() as stack:
        if engines := [t.engine for t in served.values() if isinstance(t.engine, r.VllmEngine)]:
            stack.enter_context(lease.held(run.fingerprint, max(engine.linger_s for engine in engines)))
        pools: dict[r.Role, Engine] = {role: serve.deploy(run.fingerprint, teacher) for role, teacher in served.items()}
        for role, teacher in served.items():
            say(f"{role}: {teacher.model}, engines are starting")
        sandbox = SandboxPool.start(recipe.python) if recipe.python else None
        if sandbox:
            stack.callback(sandbox.stop)
            run.store.write("sandbox.json", json.dumps(sandbox.describe(), indent=1).encode())
        yield Connector(recipe, pools, sandbox, ledger, RaySink(run.fingerprint))


def end(run: Run) -> None:
    """End the engine pools that an earlier start left up when it died after its last row; all else died with it."""
    with lease.held(run.fingerprint, 0.0):
        pass
