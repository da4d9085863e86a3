"""The actor's side of a zygote: start it in a clean environment, ask it for sessions, hear of their ends.

Asyncio-native: every method runs on the loop that called `start`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.sandbox import scratch
from factory.sandbox.inside.privileges import LAYERS, Limits
from factory.sandbox.process import ConfinementError, Process

START_S = 300.0
OPEN_S = 60.0
PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ETOOMANYREFS, errno.ENOSPC)
"""Errors of a machine that is full now and may have room later."""
_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
"""Between tries to open a session that the machine refuses."""
_PROJECT = str(Path(__file__).resolve().parents[2])
_BOOT = """import sys; sys.path.insert(0, sys.argv.pop(1))
from factory.sandbox.inside import hooks; hooks.refuse()
from factory.sandbox.inside.zygote import main; main()"""

# All that a zygote, and so a session, has in its environment: no credential of the actor can be in it. One thread per
# numeric library, because a process with threads can't be forked safely; a fixed hash seed, because the order of sets
# of strings shows in results; two malloc arenas, because each thread's arena costs 64 MiB of address space.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "MPLBACKEND": "Agg",
}


class ZygoteDied(Exception):
    """The zygote ended while it was needed."""


class SessionRefused(Exception):
    """The machine has no process, memory or descriptor to spare for one more session, after several tries."""


class Zygote:
    """One zygote process and the sessions forked from it."""

    def __init__(
        self, root: scratch.Root, limits: Limits, distributions: Sequence[str], layers: Sequence[str] = LAYERS
    ):
        self._root = root
        self._options = {
            "limits": limits,
            "distributions": list(distributions),
            "layers": list(layers),
            "root": root.path,
        }
        self._waiting: dict[int, tuple[Process, asyncio.Future[None]]] = {}
        self._live: dict[int, Process] = {}
        self._orders = 0
        self._slots = asyncio.Semaphore(8)
        self._ready: asyncio.Future[None] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self.alive = False
        self.missing: list[str] = []

    @property
    def opened(self) -> int:
        """Sessions asked of this zygote so far."""
        return self._orders

    @property
    def live(self) -> int:
        """Sessions that have not ended."""
        return len(self._live)

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def ended(self) -> bool:
        """Whether the process is gone, noticed or not."""
        return self._child is not None and self._child.poll() is not None

    async def start(self) -> None:
        """Start the process and wait until it is loaded.

        Raises `ZygoteDied` if something killed it meanwhile, `Refused` where the machine has no room for it, and
        `FactoryError` if it can't start.
        """
        try:
            ready = self._spawn()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            raise SessionRefused(f"the sandbox's Python process could not be started: {error}") from None

        try:
            await asyncio.wait_for(ready, START_S)
        except (TimeoutError, ZygoteDied) as error:
            self.close()
            words = str(error) or self._last_words()
            if isinstance(error, ZygoteDied) and not words:  # killed: what fails by itself says why
                raise
            raise FactoryError(
                "the sandbox's Python process did not start",
                why=words or f"no answer within {START_S:.0f} s",
                remedy=f"run `{sys.executable} -c 'import numpy, scipy, sympy'` and mend what it says",
            ) from None

    def _spawn(self) -> asyncio.Future[None]:
        """Start the process; what it says first, once it is loaded. Takes a few milliseconds."""
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-s", "-P", "-c", _BOOT, _PROJECT, str(theirs.fileno()), json.dumps(self._options)]
        with contextlib.ExitStack() as undo, theirs, open(f"{self._root.path}/zygote.log", "wb") as log:
            undo.enter_context(ours)
            self._child = subprocess.Popen(
                command,
                env=_ENVIRONMENT | {"HOME": self._root.path, "TMPDIR": self._root.path},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            undo.pop_all()
        ours.setblocking(False)
        self._control = ours
        self._ready = self._loop.create_future()
        self.alive = True
        self._loop.add_reader(ours, self._hear)
        return self._ready

    def plant(self, name: str, text: str) -> str:
        """Put a file beside the sessions' folders, where none of them may reach it; its path."""
        folder = Path(self._root.path, name)
        folder.mkdir(exist_ok=True)
        file = folder / "file"
        file.write_text(text, encoding="utf-8")
        return str(file)

    async def open(self, seed: int) -> Process:
        """Fork a session and wait until it is confined; where the machine has no room for it, try again for a while.

        Raises `ZygoteDied`, `Refused`, or `FactoryError` where a layer of isolation can't be put on.
        """
        for pause_s in _PAUSES_S:
            try:
                return await self._open(seed)
            except SessionRefused:
                await asyncio.sleep(pause_s)
        return await self._open(seed)

    async def _open(self, seed: int) -> Process:
        async with self._slots:
            if not self.alive:
                raise ZygoteDied
            self._orders = number = self._orders + 1
            try:
                process, answer = self._order(number, seed)
            except OSError as error:
                if error.errno in PASSING:
                    raise SessionRefused(f"a session's files could not be opened: {error}") from None
                raise FactoryError(
                    "no new sandbox session", why=str(error), remedy="check the disk of TMPDIR"
                ) from None
            try:
                await asyncio.wait_for(answer, OPEN_S)
                await process.confined()
            except TimeoutError:
                self.close()
                process.abandon()
                raise ZygoteDied from None
            except ConfinementError as error:
                await process.end()
                if error.passing:
                    raise SessionRefused(str(error)) from None
                raise FactoryError(
                    "a sandbox session could not be confined", why=str(error), remedy="run `factory doctor`"
                ) from None
            except BaseException:
                process.abandon()
                raise
        return process

    def close(self) -> None:
        """End the zygote, and with it, by the kernel's hand, every session of it."""
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._control)
        self._control.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        for process in list(self._live.values()):
            process.on_exit(None)
        self._live.clear()
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ZygoteDied())
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(ZygoteDied())

    def _order(self, number: int, seed: int) -> tuple[Process, asyncio.Future[None]]:
        """Ask for a session; raises `OSError` where its files can't be opened or sent."""
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as sent:
            folder = self._root.folder()
            undo.callback(scratch.remove, folder)
            data, their_data = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            undo.enter_context(data)
            sent.enter_context(their_data)
            (out, their_out) = _pipe(undo, sent)
            (err, their_err) = _pipe(undo, sent)
            order = json.dumps({"id": number, "seed": seed, "scratch": folder}).encode()
            fds = [their_data.fileno(), their_out, their_err]
            try:
                socket.send_fds(self._control, [order], fds)
            except OSError as error:
                if error.errno in PASSING:
                    raise
                raise ZygoteDied from None
            process = Process(data, out, err, folder)
            undo.pop_all()
        answer: asyncio.Future[None] = self._loop.create_future()
        self._waiting[number] = process, answer
        return process, answer

    def _hear(self) -> None:
        """Take every message that the zygote has sent."""
        while self.alive:
            try:
                message, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 1)
            except BlockingIOError:
                return
            except OSError:
                message, fds = b"", []
            if not message:
                self.close()
                return
            self._take(json.loads(message), fds)

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        assert self._ready is not None
        if "opened" in message:
            process, answer = self._waiting.pop(message["opened"])
            process.on_start(message["pid"], fds[0])
            self._live[message["pid"]] = process
            if not answer.done():
                answer.set_result(None)
        elif "refused" in message:
            process, answer = self._waiting.pop(message["refused"])
            process.on_exit(None)
            if not answer.done():
                answer.set_exception(SessionRefused(f"the session could not be forked: {message['why']}"))
        elif "exited" in message:
            gone = self._live.pop(message["exited"], None)
            if gone is not None:
                gone.on_exit(message["code"])
        elif "ready" in message:
            self.missing = message["missing"]
            self._ready.set_result(None)
        elif "fatal" in message:
            self._ready.set_exception(ZygoteDied(message["fatal"]))

    def _last_words(self) -> str:
        try:
            lines = Path(self._root.path, "zygote.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose ends each stack closes."""
    ends = os.pipe2(os.O_CLOEXEC)
    reader.callback(os.close, ends[0])
    writer.callback(os.close, ends[1])
    return ends
