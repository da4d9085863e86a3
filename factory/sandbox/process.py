"""One session's process as the actor holds it: a socket, two pipes, a process descriptor and a scratch folder.

Signals go through the process descriptor, so that they can never reach another process that took over the number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket

from factory.sandbox import frames, scratch

CONFINE_S = 60.0
EXIT_S = 5.0


class ConfinementError(Exception):
    """A layer of isolation could not be put on. `passing`: for want of memory or the like; it may work later."""

    def __init__(self, why: str, *, passing: bool) -> None:
        super().__init__(why)
        self.passing = passing


class Process:
    """A session process. Untrusted: what comes out of its socket and pipes is checked, never believed."""

    def __init__(self, data: socket.socket, out: int, err: int, folder: str) -> None:
        self.data, self.out, self.err, self.folder = data, out, err, folder
        data.setblocking(False)
        os.set_blocking(out, False)
        os.set_blocking(err, False)
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.unsearched_s = 0.0
        """Seconds that it has run since its open and mapped files were last searched for deleted ones."""
        self._pidfd = self._pid = -1
        self._closed = False

    @property
    def alive(self) -> bool:
        return not self.exited.done()

    @property
    def pid(self) -> int:
        """Its number in this process's own namespace (the zygote's may be another); -1 once it is gone."""
        if not self.alive:
            return -1
        if self._pid < 0:
            with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{self._pidfd}", encoding="ascii") as file:
                self._pid = next((int(line.split()[1]) for line in file if line.startswith("Pid:")), -1)
        return self._pid

    def starved_s(self) -> float:
        """Seconds that its main thread has been ready to run without a core to run on, since it was forked."""
        try:
            with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0  # gone, or a kernel that does not say

    def threads(self) -> int:
        """Its threads now."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                return int(file.read().rpartition(")")[2].split()[17])
        except (OSError, IndexError):
            return 0  # gone

    def on_start(self, _pid: int, pidfd: int) -> None:
        """The zygote has forked it."""
        self._pidfd = pidfd
        if self._closed:  # nobody waits for it any more
            self.kill()
            os.close(pidfd)
            self._pidfd = -1

    def on_exit(self, code: int | None) -> None:
        """It has ended: exit status, minus the number of the signal that killed it, or None if nobody knows."""
        if not self.exited.done():
            self.exited.set_result(code)

    async def confined(self) -> None:
        """Wait until every layer is on. Raises `Unconfined` with the reason where one is not, and `TimeoutError`."""
        buffer = bytearray()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONFINE_S):
            while (message := frames.take(buffer)) is None:
                part = await loop.sock_recv(self.data, 4096)
                if not part:
                    raise ConfinementError("the session ended before it was confined", passing=True)
                buffer += part
        if not message.get("up"):
            raise ConfinementError(str(message.get("fatal")), passing=bool(message.get("passing")))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing if it has ended."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End it, whatever it does against that."""
        self.signal(signal.SIGKILL)

    def abandon(self) -> None:
        """End it in the background: whoever asked for it is gone."""
        task = asyncio.ensure_future(self.end())
        _abandoned.add(task)
        task.add_done_callback(_abandoned.discard)

    async def end(self) -> None:
        """Kill it, wait until it is gone, and give back its descriptors and its folder. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.kill()
        with contextlib.suppress(TimeoutError):  # then it is dying in the kernel, and the zygote will reap it
            await asyncio.wait_for(asyncio.shield(self.exited), EXIT_S)
        self.data.close()
        for fd in (self.out, self.err, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._pidfd = -1
        await _remove(self.folder)


_abandoned: set[asyncio.Future[None]] = set()


async def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # empty, mostly: not worth a thread
    except OSError:
        await asyncio.to_thread(scratch.remove, folder)
