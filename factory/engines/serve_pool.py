"""The client side of a pool of replicas on Ray Serve: an `Engine` that any process of the cluster can hold."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, ReplicaState

from factory import recipe
from factory.engines.outliers import loops
from factory.engines.protocol import (
    Chunk,
    EngineError,
    EngineLoad,
    EngineUnavailable,
    ModelIdentity,
    SamplingParams,
)
from factory.engines.routing import LOADS
from factory.errors import FactoryError

log = logging.getLogger(__name__)

NAMESPACE = "trace-factory"
_LOAD_AGE_S = 30.0
_REPORT_S = 20.0
_REFUSALS = 3
_RETRYING = re.compile(r"Retrying (\d+) more time")  # Serve counts down with every replica that fails
_OURS = f"{FactoryError.__module__}.{FactoryError.__name__}: "
_FIRST_WORD_S = 30.0
"""A pool without a replica for that long is worth a word; the next ones come each after twice the time."""


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What a replica streams: a chunk, and how it is doing."""

    chunk: Chunk
    replica: str
    load: EngineLoad


class ServePool:
    """All replicas of one model, as one `Engine`. Picklable: give it to actors, each of them routes for itself.

    Requests wait while there is no replica, or none with room. `identity` waits for the first replica to be up, says
    in the log what it waits for, and raises `FactoryError` where the deployment failed for good.
    """

    def __init__(self, handle: DeploymentHandle[Any], name: str, run: str, config: recipe.VllmSettings) -> None:
        self.name = name
        self._handle, self._run, self._config = handle, run, config
        self._identity: ModelIdentity | None = None
        self._asking = asyncio.Lock()
        self._in_flight = 0
        self._loads: dict[str, tuple[float, EngineLoad]] = {}  # of each replica that was heard: when, and its load
        self._ended: dict[str, tuple[int, int]] = {}  # by replica: streams, and those that ended in a loop
        self._reported = time.monotonic()

    def __reduce__(self) -> tuple[Any, ...]:
        return ServePool, (self._handle, self.name, self._run, self._config)

    async def identity(self) -> ModelIdentity:
        async with self._asking:
            if self._identity is None:
                self._identity = await self._first_answer()
        return self._identity

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        handle = self._handle.options(method_name="generate", stream=True, session_id=affinity)
        response = handle.remote(prompt_token_ids, sampling)
        finished, replica = False, ""
        said: list[int] = []
        self._in_flight += 1
        try:
            async for item in response:
                if isinstance(item, EngineError | EngineUnavailable):
                    finished = True
                    raise item
                replica = item.replica
                said += item.chunk.token_ids
                self._loads[replica] = (time.monotonic(), item.load)
                LOADS.report(affinity, replica, item.load)
                finished = item.chunk.finish_reason is not None
                yield item.chunk
        except (RayError, RayServeException) as error:
            finished = True
            _translate(error, self._config.chunk_tokens)
        finally:
            self._in_flight -= 1
            if not finished:
                response.cancel()
            if replica:
                self._count(replica, looped=loops(said))

    async def load(self) -> EngineLoad:
        """The sum over the replicas that this process heard of in the last 30 seconds; capacity 0 if of none.

        Requests of this process that no replica has accepted yet count as waiting.
        """
        now = time.monotonic()
        self._loads = {name: heard for name, heard in self._loads.items() if now - heard[0] < _LOAD_AGE_S}
        loads = [load for _, load in self._loads.values()]
        running = sum(load.running for load in loads)
        waiting = max(sum(load.waiting for load in loads), self._in_flight - running)
        capacity = sum(load.capacity for load in loads)
        return EngineLoad(
            running=running,
            waiting=waiting,
            capacity=capacity,
            kv_usage=sum(load.kv_usage * load.capacity for load in loads) / max(capacity, 1),
            preemptions=sum(load.preemptions for load in loads),
            prefix_queries=sum(load.prefix_queries for load in loads),
            prefix_hits=sum(load.prefix_hits for load in loads),
        )

    async def replicas(self) -> int:
        """How many replicas are up now."""
        status = (await asyncio.to_thread(serve.status)).applications.get(self.name)
        if status is None:
            return 0
        return sum(d.replica_states.get(ReplicaState.RUNNING, 0) for d in status.deployments.values())

    async def close(self) -> None:
        """Nothing to free here: the pool belongs to the run (`serve.shutdown`)."""

    def _count(self, replica: str, *, looped: bool) -> None:
        """Count a stream that ended, and tell the keeper now and then: it sees all clients, and judges replicas."""
        ended, so_far = self._ended.get(replica, (0, 0))
        self._ended[replica] = ended + 1, so_far + looped
        if time.monotonic() - self._reported < _REPORT_S:
            return
        self._reported, counts, self._ended = time.monotonic(), self._ended, {}
        if (keeper := keeper_of(self._run)) is not None:
            keeper.note.remote(self.name, counts)

    async def _first_answer(self) -> ModelIdentity:
        answer = asyncio.ensure_future(self._ask_identity())
        started, next_word = time.monotonic(), _FIRST_WORD_S
        refusals = set[str]()
        try:
            while not (await asyncio.wait({answer}, timeout=5.0))[0]:
                status = await asyncio.to_thread(self._status, refusals)
                waited = time.monotonic() - started
                if waited >= next_word:
                    next_word = 2 * waited
                    log.warning("engine pool %s: no replica after %.0f s; %s", self.name, waited, self._missing(status))
            return answer.result()
        except (RayError, RayServeException) as error:
            _translate(error, 0)
        finally:
            answer.cancel()

    async def _ask_identity(self) -> ModelIdentity:
        return cast(ModelIdentity, await self._handle.identity.remote())

    def _status(self, refusals: set[str]) -> Any:
        """Serve's word on this pool; raises `FactoryError` if no replica will ever come.

        Serve tries for long, as machines may be bad. What only the user can fix fails on the third as on the first:
        `refusals` keeps what was heard of it.
        """
        status = serve.status().applications.get(self.name)
        if status is not None and _OURS in (messages := _messages(status)):
            refusals.update(_RETRYING.findall(messages))
        failed = status is None or status.status in {ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING}
        if failed or len(refusals) >= _REFUSALS:
            raise FactoryError(
                f"the engine pool {self.name} failed to start",
                why=_cause(_messages(status)) if status else "it was shut down",
                remedy="see the replica's log (ray logs, or the dashboard) for the whole story",
            )
        return status

    def _missing(self, status: Any) -> str:
        need = self._config.reserved_gpus
        there = ray.cluster_resources().get("GPU", 0.0)
        if need > there:
            return f"a replica needs {need:g} GPUs, the cluster has {there:g} so far"
        return _first_line(_messages(status)) or "the engine is starting"


def keeper_of(run: str) -> Any:
    """The actor that keeps a run's pools (`lease`), None if there is none."""
    try:
        return ray.get_actor(f"keeper@{run}", namespace=NAMESPACE)
    except ValueError:
        return None


def _translate(error: Exception, chunk_tokens: int) -> NoReturn:
    """Ray's errors in the words of the protocol. Of a lost chunk, no more was generated than fits into it.

    A replica streams its engine's refusals as items. What it raises instead is a failure of its own, which says nothing
    of the request: another replica is asked, and where all fail alike the row stays unfinished.
    """
    if isinstance(error, RayTaskError):
        what = f"the replica failed: {_last_line(str(error))}"
    else:
        what = f"the replica is gone: {type(error).__name__}: {_first_line(str(error))}"
    raise EngineUnavailable(what, lost_tokens=chunk_tokens) from None


def _messages(status: Any) -> str:
    return "\n".join([status.message, *(deployment.message for deployment in status.deployments.values())])


def _cause(messages: str) -> str:
    """The error at the end of a replica's stack, in one line; all of it if it is a `FactoryError`."""
    _, ours, rest = messages.rpartition(_OURS)
    return "; ".join(line.strip() for line in rest.splitlines() if line.strip()) if ours else _last_line(messages)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _last_line(text: str) -> str:
    return _first_line("\n".join(reversed(text.splitlines())))
