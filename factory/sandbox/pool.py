"""The sandbox on a cluster: Ray actors, each with a `LocalSandbox` of its own, and a manager that sizes the pool.

A session lives on one actor until it is closed. When its actor dies, `run` raises `StateLost` and nothing is replayed:
what then happens to the sample is the program's decision. Sessions are leased: a program worker renews those that it
holds, and an actor closes the ones whose worker has gone silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import uuid
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from factory import recipe
from factory.errors import FactoryError
from factory.records import ToolCall
from factory.sandbox.local import LocalSandbox, LocalSession
from factory.sandbox.protocol import SandboxUnavailable, StateLost
from factory.sandbox.scaling import Scaler, choose
from factory.sandbox.slots import SandboxLoad

LEASE_S = 120.0
"""A session that its worker has not renewed for this long is closed."""
_POLL_S = 1.0
_ANSWER_S = 10.0
_RETRY_S = 60.0
_OPEN_ATTEMPTS = 10
_PATIENCE_S = 30.0
"""A cell that takes longer than this is asked after: its actor has as long again to answer anything at all."""
# Every cell is a call, of which Ray's head would else take in a record and keep the last 100,000.
_OPTIONS = {"max_restarts": -1, "max_concurrency": 10_000, "enable_task_events": False}

log = logging.getLogger(__name__)


class SandboxPool:
    """The pool as its users hold it; see `factory.sandbox.protocol.Sandbox`. Cheap to pickle into any worker."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._held: dict[str, PoolSession] = {}
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    def start(cls, config: recipe.SandboxSettings) -> SandboxPool:
        """Start the pool and wait for its first actor. Needs a Ray that is initialised.

        Raises `FactoryError` if the isolation of that actor's machine is not what the recipe asks for.
        """
        # With the driver, whose end is its own: elsewhere it would keep a machine up that nobody may need any more.
        # Ray places actors without CPUs at random, whatever is asked for, unless they must be somewhere.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        manager = ray.remote(_Manager).options(num_cpus=0, scheduling_strategy=here, **_OPTIONS).remote(config)
        try:
            ray.get(manager.ready.remote())
        except RayTaskError as error:
            ray.kill(manager)
            raise error.cause if isinstance(error.cause, FactoryError) else error from None
        return cls(manager)

    def stop(self) -> None:
        """End the manager, and with it every actor and session."""
        ray.get(self._manager.stop.remote())
        ray.kill(self._manager)

    def describe(self) -> dict[str, Any]:
        """For a run's manifest: which isolation effects hold (on every actor so far), and the recipe's claim."""
        described: dict[str, Any] = ray.get(self._manager.describe.remote())
        return described

    async def open(self, *, seed: int = 0, trace: str = "") -> PoolSession:
        """A fresh session on the least busy actor; `SandboxUnavailable` where actors die faster than it can be opened.

        Another actor is asked where one is gone, silent, or on a machine that starts no session any more.
        """
        for attempt in range(_OPEN_ATTEMPTS):
            try:
                actor = await self._manager.acquire.remote()
                key = uuid.uuid4().hex
                await _answer(actor, actor.open.remote(key, seed, trace))
            except (RayActorError, RayTaskError, StateLost) as error:
                log.warning("a sandbox actor opens no session: %s", error)
                await asyncio.sleep(0.1 * 2**attempt)
                continue
            session = PoolSession(self, actor, key)
            self._held[key] = session
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._renew())
            return session
        raise SandboxUnavailable("no sandbox actor lives long enough to open a session")

    async def close(self) -> None:
        """Close the sessions that this process holds; the pool itself continues."""
        await asyncio.gather(*(session.close() for session in list(self._held.values())))

    def release(self, key: str) -> None:
        """A session is closed or lost."""
        self._held.pop(key, None)

    async def _renew(self) -> None:
        while self._held:
            await asyncio.sleep(LEASE_S / 4)
            by_actor: dict[Any, list[str]] = {}
            for key, session in self._held.items():
                by_actor.setdefault(session.actor, []).append(key)
            for actor, keys in by_actor.items():
                actor.renew.remote(keys)

    def __reduce__(self) -> tuple[Any, ...]:
        return SandboxPool, (self._manager,)


class PoolSession:
    """One trace's interpreter on an actor; see `factory.sandbox.protocol.Session`."""

    def __init__(self, pool: SandboxPool, actor: Any, key: str) -> None:
        self.actor = actor
        self._pool = pool
        self._key = key

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        """Run one cell. Raises `StateLost` if the actor has died or has given the session up."""
        try:
            result: ToolCall | None = await _answer(self.actor, self.actor.run.remote(self._key, code, timeout_s))
        except (RayActorError, RayTaskError, StateLost) as error:
            self._pool.release(self._key)
            raise StateLost(f"the session's actor is gone: {type(error).__name__}") from None
        if result is None:
            self._pool.release(self._key)
            raise StateLost("the session's actor was restarted, or the session's lease ran out")
        return result

    async def close(self) -> None:
        """Give the session back; quiet about one that is gone."""
        self._pool.release(self._key)
        try:
            await self.actor.close.remote(self._key)
        except RayActorError:
            return


async def _answer(actor: Any, call: Any) -> Any:
    """The answer to a call; `StateLost` where its actor answers nothing any more (a stopped process, a dead network).

    A call may take long, as cells wait for cores, so its length says nothing.
    """
    answer = asyncio.ensure_future(call)
    try:
        while not (await asyncio.wait({answer}, timeout=_PATIENCE_S))[0]:
            try:
                await asyncio.wait_for(actor.load.remote(), _PATIENCE_S)
            except TimeoutError:
                raise StateLost("the actor is silent") from None
        return answer.result()
    finally:
        answer.cancel()


class _SandboxActor:
    """A `LocalSandbox` in a Ray actor, with its sessions by key."""

    def __init__(self, config: recipe.SandboxSettings) -> None:
        self._sandbox = LocalSandbox(config, cells=max(1, math.floor(config.num_cpus)))
        self._sessions: dict[str, LocalSession] = {}
        self._renewed: dict[str, float] = {}
        self._expiry: asyncio.Task[None] | None = None

    async def ready(self) -> dict[str, bool]:
        """Start the zygote; which isolation effects hold."""
        await self._sandbox.start()
        if self._expiry is None:
            self._expiry = asyncio.create_task(self._expire())
        return {effect.name: effect.holds for effect in self._sandbox.effects}

    async def open(self, key: str, seed: int, trace: str) -> None:
        await self.ready()
        self._sessions[key] = await self._sandbox.open(seed=seed, trace=trace)
        self._renewed[key] = time.monotonic()

    async def run(self, key: str, code: str, timeout_s: float | None) -> ToolCall | None:
        """None if there is no such session (any more)."""
        session = self._sessions.get(key)
        if session is None:
            return None
        self._renewed[key] = time.monotonic()
        try:
            return await session.run(code, timeout_s)
        except StateLost:
            return None

    async def close(self, key: str) -> None:
        self._renewed.pop(key, None)
        session = self._sessions.pop(key, None)
        if session is not None:
            await session.close()

    def renew(self, keys: list[str]) -> None:
        now = time.monotonic()
        self._renewed.update({key: now for key in keys if key in self._sessions})

    async def load(self) -> SandboxLoad:
        return self._sandbox.load()

    async def stop(self) -> None:
        await self._sandbox.close()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 4)
            limit = time.monotonic() - LEASE_S
            for key in [key for key, renewed in self._renewed.items() if renewed < limit]:
                await self.close(key)


class _Manager:
    """Owns the actors: starts, watches, drains and ends them, and says where a new session goes."""

    def __init__(self, config: recipe.SandboxSettings) -> None:
        self._config = config
        self._scaler = Scaler(*config.actors, config.downscale_delay_s)
        self._actors: dict[str, Any] = {}  # ready ones
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._loads: dict[str, SandboxLoad] = {}
        self._draining: set[str] = set()
        self._effects: dict[str, bool] = {}
        self._failure: BaseException | None = None
        self._retry_at = 0.0
        self._some = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait for the first actor. Raises the `FactoryError` of one that refuses to start."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        await self._some.wait()
        if self._failure is not None and not self._actors:
            raise self._failure

    async def acquire(self) -> Any:
        """The actor for a new session."""
        await self.ready()
        while not (offered := {n: x for n, x in self._loads.items() if n not in self._draining}):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S / 10)
        name = choose(offered)
        load = offered[name]
        self._loads[name] = SandboxLoad(load.sessions + 1, load.running, load.waiting, load.waited_s)
        return self._actors[name]

    async def describe(self) -> dict[str, Any]:
        await self.ready()
        config = self._config
        return {
            "actors": len(self._loads),
            "effects": self._effects,
            "if_missing": config.if_missing,
            "external_claim": config.external_claim,
        }

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(*(self._end(name) for name in list(self._actors)))

    async def _watch(self) -> None:
        while True:
            await asyncio.gather(*(self._poll(name) for name in list(self._actors)))
            absent = len(self._starting) + len(self._actors) - len(self._loads)
            step = self._scaler.step(self._loads, self._draining, absent, time.monotonic())
            if step.start and time.monotonic() > self._retry_at:
                name = uuid.uuid4().hex[:8]
                self._starting[name] = asyncio.create_task(self._start(name))
            if step.drain is not None:
                self._draining.add(step.drain)
            if step.refill is not None:
                self._draining.discard(step.refill)
            for name in [n for n in self._draining if n in self._loads and not self._loads[n].sessions]:
                await self._end(name)
            await asyncio.sleep(_POLL_S)

    async def _start(self, name: str) -> None:
        actor = ray.remote(_SandboxActor).options(num_cpus=self._config.num_cpus, **_OPTIONS).remote(self._config)
        try:
            effects = await actor.ready.remote()
        except RayTaskError as error:
            self._failure = error.cause if isinstance(error.cause, FactoryError) else error
            self._retry_at = time.monotonic() + _RETRY_S
            log.error("a sandbox actor refused to start: %s", self._failure)
            ray.kill(actor)
        except RayActorError:
            ray.kill(actor)  # the next step starts another
        else:
            self._actors[name] = actor
            self._loads[name] = SandboxLoad(0, 0, 0, 0.0)
            self._effects = {key: holds and self._effects.get(key, True) for key, holds in effects.items()}
        finally:
            del self._starting[name]
            if self._actors or self._failure is not None:
                self._some.set()

    async def _poll(self, name: str) -> None:
        """Ask for the load; an actor that does not answer gets no new sessions until it does."""
        try:
            self._loads[name] = await asyncio.wait_for(self._actors[name].load.remote(), _ANSWER_S)
        except (RayActorError, TimeoutError):
            self._loads.pop(name, None)

    async def _end(self, name: str) -> None:
        actor = self._actors.pop(name)
        self._loads.pop(name, None)
        self._draining.discard(name)
        with contextlib.suppress(RayActorError, TimeoutError):
            await asyncio.wait_for(actor.stop.remote(), _ANSWER_S)
        ray.kill(actor)
