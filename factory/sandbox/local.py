"""Sandboxed sessions in this process's own care: one zygote, any number of sessions, as many running cells as cores.

This is the whole sandbox without Ray; `pool` puts it into actors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import Sequence
from importlib import metadata
from types import TracebackType

from factory import recipe
from factory.errors import FactoryError
from factory.records import ToolCall
from factory.sandbox import canary, scratch
from factory.sandbox.cell import Bounds, CellRun
from factory.sandbox.inside.importing import canonical_name
from factory.sandbox.inside.privileges import LAYERS, Limits
from factory.sandbox.launcher import SessionRefused, Zygote, ZygoteDied
from factory.sandbox.process import Process
from factory.sandbox.protocol import StateLost
from factory.sandbox.slots import CellSlots, SandboxLoad

RECYCLE_AFTER = 50_000
"""Sessions forked from one zygote before a fresh one takes over."""
_ATTEMPTS = 3

log = logging.getLogger(__name__)


class LocalSandbox:
    """Opens sessions; see `factory.sandbox.protocol.Sandbox`. Starts its zygote when the first one is asked for.

    `cells` is the number of cells that run at once (default: the cores this process may use). More would make wall
    time, and with it which cell times out, depend on the load. `layers` leaves isolation layers away, for tests and
    measurements; the canary then reports what is missing.
    """

    def __init__(
        self, config: recipe.SandboxSettings | None = None, *, cells: int | None = None, layers: Sequence[str] = LAYERS
    ) -> None:
        self.config = config or recipe.SandboxSettings()
        self.effects: list[canary.Effect] = []
        self._layers = layers
        self.slots = CellSlots(cells or len(os.sched_getaffinity(0)))
        self._starting = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._retired: list[Zygote] = []
        self._root: scratch.Root | None = None
        self._sessions: set[LocalSession] = set()
        self._closed = False

    async def start(self) -> None:
        """Start the zygote and probe its isolation. Raises `FactoryError` if an effect is missing and unclaimed."""
        try:
            await self._ready_zygote()
        except SessionRefused as error:
            raise FactoryError(
                "the sandbox cannot start", why=str(error), remedy="give the machine more processes, memory or disk"
            ) from None

    async def open(self, *, seed: int = 0, trace: str = "") -> LocalSession:
        """A fresh session whose random state follows from `seed`."""
        session = LocalSession(self, seed, trace)
        await session.renew()
        self._sessions.add(session)
        return session

    async def close(self) -> None:
        """End every session and the zygote, and remove every scratch folder."""
        self._closed = True
        await asyncio.gather(*(session.close() for session in list(self._sessions)))
        for zygote in [*self._retired, *([self._zygote] if self._zygote else [])]:
            zygote.close()
        if self._root is not None:
            await asyncio.to_thread(self._root.remove)
            self._root = None

    async def __aenter__(self) -> LocalSandbox:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def fork(self, seed: int) -> Process:
        """A fresh process; a zygote that has died is replaced.

        Raises `StateLost` once the sandbox is closed, and where the machine has no room for one more process.
        """
        for _ in range(_ATTEMPTS):
            try:
                zygote = await self._ready_zygote()
                return await zygote.open(seed)
            except ZygoteDied:
                continue
            except SessionRefused as error:
                log.warning("no new sandbox session: %s", error)
                raise StateLost(f"no new session: {error}") from None
        raise _dies_again_and_again()

    def forget(self, session: LocalSession) -> None:
        """The session is closed. A retired zygote ends with its last session."""
        self._sessions.discard(session)
        for old in [zygote for zygote in self._retired if not zygote.live]:
            old.close()
            self._retired.remove(old)

    def load(self) -> SandboxLoad:
        """How busy it is."""
        return self.slots.load(len(self._sessions))

    async def _ready_zygote(self) -> Zygote:
        async with self._starting:
            if self._closed:
                raise StateLost("the sandbox is closed")
            zygote = self._zygote
            if zygote is not None and zygote.alive and zygote.opened < RECYCLE_AFTER:
                return zygote
            if zygote is not None:
                self._retired.append(zygote)
                self._zygote = None
            self._zygote = await self._new_zygote()
            return self._zygote

    async def _new_zygote(self) -> Zygote:
        if self._root is None:
            _raise_descriptor_limit()
            self._root = await asyncio.to_thread(scratch.Root)
        config = self.config
        _insist_on(config.importable)
        limits = Limits(memory_mb=config.memory_mb, scratch_mb=config.scratch_mb, cpu_s=config.cpu_s)
        for _ in range(_ATTEMPTS):
            zygote = Zygote(self._root, limits, config.importable, self._layers)
            with contextlib.suppress(ZygoteDied):
                await zygote.start()
                await self._examine(zygote)
                return zygote
        raise _dies_again_and_again()

    async def _examine(self, zygote: Zygote) -> None:
        """Probe what a new zygote's sessions are kept from, and insist on it."""
        try:
            self.effects = await canary.probe(zygote, self.config)
            canary.insist(self.effects, self.config)
        except BaseException as error:
            died = zygote.ended
            zygote.close()
            if died and isinstance(error, FactoryError):  # the canary died with its zygote: that says nothing
                raise ZygoteDied from error
            raise


class LocalSession:
    """One trace's interpreter; see `factory.sandbox.protocol.Session`.

    A cell whose process ends under it, or had ended before it, comes back with `state_lost`; the cell after that runs
    in a fresh interpreter (`epoch` counts them). Nothing is ever replayed. `StateLost` is raised when the session or
    its sandbox is closed, and when the machine has no room for a fresh interpreter; then it may be tried again.
    """

    def __init__(self, sandbox: LocalSandbox, seed: int, trace: str) -> None:
        self.trace = trace
        self.epoch = -1
        self._sandbox = sandbox
        self._seed = seed
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._number = 0
        self._closed = False

    async def renew(self) -> None:
        """Take a fresh process."""
        self._process = await self._sandbox.fork(self._seed)
        self.epoch += 1

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        """Run one cell; `timeout_s` defaults to the recipe's. Waits for a free core first, which does not count."""
        config = self._sandbox.config
        bounds = Bounds(timeout_s or config.timeout_s, config.scratch_mb, config.output_chars)
        async with self._lock, self._sandbox.slots.one():
            if self._closed:
                raise StateLost("the session is closed")
            if self._process is None:
                await self.renew()
            process = self._process
            assert process is not None
            if not process.alive:
                await self._drop()
                note = "The interpreter was lost before this cell, which was not run. Variables are gone.\n"
                return ToolCall(code=code, status="killed", stderr=note, state_lost=True)
            self._number += 1
            try:
                outcome = await CellRun(process, self._number, bounds).run(code)
            except BaseException:  # cancelled: what the process does now is unknown
                await asyncio.shield(self._drop())
                raise
            if outcome.state_lost:
                await self._drop()
        return ToolCall(
            code=code,
            status=outcome.status,
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            state_lost=outcome.state_lost,
            seconds=outcome.seconds,
        )

    async def close(self) -> None:
        """End the process; a cell under way ends as killed."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        async with self._lock:
            await self._drop()
        self._sandbox.forget(self)

    async def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end()


def _dies_again_and_again() -> FactoryError:
    return FactoryError("the sandbox's zygote dies again and again", remedy="look for an out-of-memory killer")


def _insist_on(distributions: Sequence[str]) -> None:
    """Raise `FactoryError` where one is not installed: the model is told that it can import them."""
    installed = {canonical_name(found.name) for found in metadata.distributions()}
    absent = [name for name in distributions if canonical_name(name) not in installed]
    if absent:
        raise FactoryError(
            f"the sandbox lacks packages: {', '.join(absent)}",
            why="sandbox.packages names them, and they are not installed on this machine",
            remedy="install them here, or leave them out of sandbox.packages",
        )


def _raise_descriptor_limit() -> None:
    """Each idle session holds four descriptors here, and the usual soft limit of 1024 is meant for `select`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
