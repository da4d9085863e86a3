"""One replica of a pool: an engine in a Serve replica that knows when it should not serve any more.

It leaves, and Serve puts another in its place, when its engine core died or hangs (`silence`), when its greedy answers
are no longer those of its weights (`canary`), and when it sends far more streams into loops than the others of its
pool (`outliers`). A start that fails because of the machine drains that machine, so that the next one is elsewhere.
Every such departure is on record in the run (`departures`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import ray
from ray import serve
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from factory import recipe
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import departures, machine, model_files
from factory.engines.canary import Canary
from factory.engines.protocol import Engine, EngineError, EngineUnavailable, ModelIdentity, SamplingParams
from factory.engines.serve_pool import ChunkReport, keeper_of
from factory.engines.silence import with_signs_of_life
from factory.store.fs import Store

log = logging.getLogger(__name__)

_LOOK_S = 0.2
_LAST_WORDS_S = 10.0
_ANSWER_S = 30.0


class MortalEngine(Engine, Protocol):
    """An engine that says when only a new process helps, and for how long it has owed a token."""

    @property
    def dead(self) -> bool: ...

    @property
    def silent_s(self) -> float: ...


class FaultyMachine(Exception):
    """The engine did not start because of its machine. Not the user's to fix: another machine will do."""


@dataclass(frozen=True, slots=True)
class ReplicaHome:
    """What a replica belongs to: its pool, and where the run keeps what replicas tell each other (None: nowhere)."""

    run: str
    pool: str
    store: Store | None = None


class Replica:
    """One `VllmEngine` in a Serve replica."""

    canary_s = 3600.0
    keeper_s = 30.0
    pause_s = 30.0
    """For so long Serve has to wait before it may try again, where the engine did not start well."""

    async def __init__(  # type: ignore[misc]  # Serve awaits constructors, in the event loop that requests use
        self, model: str, config: dict[str, Any], revision: str | None, home: ReplicaHome
    ) -> None:
        self._name = serve.get_replica_context().replica_id.unique_id
        self._home, self._config = home, recipe.VllmSettings.model_validate(config)
        try:
            files = model_files.resolve(model, revision)  # fails in a second where importing vllm would take ten
            self._engine = self._start(model, self._config, revision)
            weights = f"{files.revision}\0{self._config.model_dump_json()}"
            tokenizer = HfTokenizer(model_files.tokenizer_file(model, revision, patience_s=model_files.HUB_PATIENCE_S))
            self._canary = Canary(home.store, weights, self._name, tokenizer)
            wrong = await self._look_at_canary(first=True)
        except Exception as error:
            if model_files.passing(error):
                await self._refuse("fetch", str(error))
            if (fault := await asyncio.to_thread(machine.find_fault, error, gpus=self._config.num_gpus > 0)) is None:
                raise  # the model's or the recipe's doing
            await self._refuse("machine", fault)
        if wrong is not None:
            await self._refuse("canary", wrong)
        self._tasks = [asyncio.create_task(look) for look in (self._watch(), self._keep_canary(), self._hear_keeper())]

    def _start(self, model: str, config: recipe.VllmSettings, revision: str | None) -> MortalEngine:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        # Imported here, so that neither the driver nor the Serve controller loads vllm.
        from vllm.v1.metrics.ray_wrappers import RayPrometheusStatLogger

        from factory.engines.vllm_engine import VllmEngine

        return VllmEngine(model, config, revision=revision, stat_loggers=(RayPrometheusStatLogger,))

    async def identity(self) -> ModelIdentity:
        return await self._engine.identity()

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams
    ) -> AsyncGenerator[ChunkReport | EngineError | EngineUnavailable, None]:
        """Chunks and signs of life with this replica's load, or an error as the last item.

        A raised error would land in Serve's log with its whole stack. The load rides on the chunks because asking
        each replica from each process would be a crowd of calls.
        """
        try:
            async with (
                aclosing(self._engine.generate(prompt_token_ids, sampling)) as chunks,
                aclosing(with_signs_of_life(chunks)) as alive,
            ):
                async for chunk in alive:
                    yield ChunkReport(chunk, self._name, await self._engine.load())
        except (EngineError, EngineUnavailable) as error:
            yield error

    async def location(self) -> dict[str, Any]:
        """Which replica this is, on which node, in which process: for people and tests that look for it."""
        return {
            "replica": self._name,
            "node": ray.util.get_node_ip_address(),
            "pid": os.getpid(),
        }

    async def check_health(self) -> None:
        """Called by Serve every few seconds."""
        if (ill := self._cause_of_death()) is not None:
            raise EngineUnavailable(ill[1])

    async def _watch(self) -> None:
        """A dead engine in a live actor would be retried forever; a dead actor is replaced at the next check."""
        while (ill := self._cause_of_death()) is None:  # noqa: ASYNC110 (vLLM has a flag to look at, no event)
            await asyncio.sleep(_LOOK_S)
        await self._leave(*ill)

    async def _keep_canary(self) -> None:
        while True:
            await asyncio.sleep(self.canary_s * random.uniform(0.8, 1.2))
            try:
                wrong = await self._look_at_canary()
            except Exception as error:  # a store out of reach says nothing of this engine
                log.warning("no look at the canary this time: %s", error)
                continue
            if wrong is not None:
                await self._leave("canary", wrong)

    async def _hear_keeper(self) -> None:
        """Ask the keeper of the run whether this replica is like the others."""
        while True:
            await asyncio.sleep(self.keeper_s)
            keeper = await asyncio.to_thread(keeper_of, self._home.run)
            if keeper is None:
                continue
            try:
                wrong = await asyncio.wait_for(keeper.outlier_reason.remote(self._home.pool, self._name), _ANSWER_S)
            except Exception as error:
                log.info("the keeper does not answer: %s", error)
                continue
            if wrong is not None:
                await self._leave("loops", wrong)

    async def _look_at_canary(self, *, first: bool = False) -> str | None:
        return await self._canary.look(self._engine, first=first)

    def _cause_of_death(self) -> tuple[departures.Cause, str] | None:
        if self._engine.dead:
            return "dead", "the vLLM engine core died"
        if self._engine.silent_s > self._config.silence_s:
            return "silent", f"the vLLM engine has had requests for {self._config.silence_s:g} s and gave no token"
        return None

    async def _leave(self, cause: departures.Cause, detail: str) -> None:
        await self._tell(cause, detail)  # which gives the errors of the requests under way time to reach their callers
        await asyncio.sleep(0.5)
        os._exit(1)

    async def _refuse(self, cause: departures.Cause, detail: str) -> NoReturn:
        """Do not serve from here; a machine that is to blame gets nothing more to do. Raises `SickMachine`."""
        await self._tell(cause, detail)
        if cause == "machine":
            await asyncio.to_thread(drain_this_node, detail, self._config.drain_s)
        await asyncio.sleep(self.pause_s * random.uniform(0.5, 1.0))
        raise FaultyMachine(f"{cause}: {detail}")

    async def _tell(self, cause: departures.Cause, detail: str) -> None:
        told = asyncio.to_thread(
            departures.record,
            self._home.store,
            replica=self._name,
            node=ray.util.get_node_ip_address(),
            cause=cause,
            detail=detail,
        )
        try:
            await asyncio.wait_for(told, _LAST_WORDS_S)
        except TimeoutError:
            log.warning("the storage does not answer; replica %s leaves (%s): %s", self._name, cause, detail)


def drain_this_node(why: str, seconds: float) -> bool:
    """Let Ray place nothing more on this node, and move what is here within `seconds`; whether Ray has taken it.

    The head stays: a cluster of one machine would be left with none, and the job ends with the head.
    """
    context = ray.get_runtime_context()
    here = next((node for node in ray.nodes() if node["NodeID"] == context.get_node_id()), None)
    if here is None or "node:__internal_head__" in here["Resources"]:
        log.warning("the engines' machine is sick, and stays as it is the head: %s", why)
        return False
    deadline_ms = int((time.time() + max(seconds, 1.0)) * 1000)
    reason = 2  # DRAIN_NODE_REASON_PREEMPTION: the one that a node in use accepts
    taken, refusal = GcsClient(context.gcs_address).drain_node(context.get_node_id(), reason, why[:500], deadline_ms)
    if not taken:
        log.warning("Ray does not drain this node: %s", refusal)
    return bool(taken)
