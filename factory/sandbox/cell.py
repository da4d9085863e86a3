"""Run one cell in a session's process, and be the judge of how it went.

The process is untrusted, so what decides is what happens here: this clock, these pipes, this exit status. A cell can
lie about nothing but its own success and what later cells of its session print and answer (docs/sandbox.md).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass

from factory.records import CellStatus
from factory.sandbox import frames, scratch
from factory.sandbox.inside.processes import MAX_THREADS
from factory.sandbox.inside.repl import INTERRUPT
from factory.sandbox.inside.session import BROKEN
from factory.sandbox.output import Output
from factory.sandbox.process import EXIT_S, Process

GRACE_S = 1.0
"""After the soft interrupt a cell has this long to unwind; then its process is killed."""
PATIENCE = 3
"""Time that a cell waits for a core does not count, so that the machine's load does not decide which cell times out;
but no cell takes more than this many times its limit."""
FLOOD_BYTES = 256 << 20
"""A cell that prints more than this is killed."""
_TRACE_CHARS = 5000
"""More than the runner's own tracebacks have; what is longer is not one of them."""
_NO_HANDLER = "a timer of the code's own went off while no handler was set"
_TIMERS = dict.fromkeys((int(signal.SIGALRM), int(signal.SIGVTALRM), int(signal.SIGPROF)), _NO_HANDLER)
_REPEAT_S = 0.25
_WATCH_S = 0.1
_SEARCH_S = 0.5
"""Each time that a session has run for this long, its open and mapped files are searched: that takes a millisecond."""
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one cell may use: seconds, MiB of scratch, characters shown of each stream."""

    timeout_s: float
    scratch_mb: int
    output_chars: int
    grace_s: float = GRACE_S


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """How a cell ended; `state_lost` says that its process is gone."""

    status: CellStatus
    stdout: str
    stderr: str
    state_lost: bool
    seconds: float


class CellRun:
    """One cell under way: readers on its descriptors, timers on its time."""

    def __init__(self, process: Process, number: int, bounds: Bounds) -> None:
        self._process = process
        self._number = number
        self._key = os.urandom(8).hex()
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[dict[str, str] | None] = self._loop.create_future()
        self._frames = bytearray()
        self._out, self._err = Output(bounds.output_chars), Output(bounds.output_chars)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._started = self._starved = self._seen = 0.0
        self._interrupted = False
        self._killed: tuple[CellStatus, str] | None = None

    async def run(self, code: str) -> CellOutcome:
        """Run `code` to its end, one way or the other."""
        process, loop = self._process, self._loop
        self._discard_late_output()
        self._started, self._starved = time.monotonic(), process.starved_s()
        self._seen = self._started
        process.signal(signal.SIGCONT)
        loop.add_reader(process.data, self._on_data)
        loop.add_reader(process.out, self._on_output, process.out, self._out)
        loop.add_reader(process.err, self._on_output, process.err, self._err)
        self._later("soft", self._bounds.timeout_s, self._time_is_up)
        self._later("watch", _WATCH_S, self._watch)
        try:
            await self._send(code)
            reply = await self._reply
            process.signal(signal.SIGSTOP)  # nothing runs on after the cell
            seconds = time.monotonic() - self._started
            self._drain()
            self._check_scratch()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            for fd in (process.data, process.out, process.err):
                loop.remove_reader(fd)
        if reply is None or self._killed:
            return await self._lost(seconds)
        return self._answered(reply, seconds)

    async def _send(self, code: str) -> None:
        request = {"n": self._number, "code": code, "key": self._key}
        try:
            await self._loop.sock_sendall(self._process.data, frames.pack(request))
        except OSError:
            self._finish(None)

    def _answered(self, reply: dict[str, str], seconds: float) -> CellOutcome:
        status: CellStatus = reply["status"]  # type: ignore[assignment]  # checked in _on_data
        notes = reply["trace"][:_TRACE_CHARS]
        if self._interrupted:
            status = "timeout"
            notes += f"Timeout: stopped after {self._bounds.timeout_s:g} s. Variables are kept.\n"
        return CellOutcome(status, self._out.text(), self._stderr(notes), False, seconds)

    async def _lost(self, seconds: float) -> CellOutcome:
        """The process is gone, or has to go: find out why."""
        self._process.kill()
        try:
            code = await asyncio.wait_for(asyncio.shield(self._process.exited), EXIT_S)
        except TimeoutError:
            code = None
        status, why = self._killed or self._cause(code)
        note = f"The interpreter was lost: {why}. Variables are gone.\n"
        return CellOutcome(status, self._out.text(), self._stderr(note), True, seconds)

    def _cause(self, code: int | None) -> tuple[CellStatus, str]:
        if code == -signal.SIGXCPU:
            return "timeout", "the session's CPU time is used up"
        if self._interrupted:
            return "timeout", f"stopped after {self._bounds.timeout_s:g} s"
        if code is None:
            return "killed", "its process was killed from outside"
        if code < 0:
            of_a_timer = f" ({_TIMERS[-code]})" if -code in _TIMERS else ""
            return "killed", f"its process died of {_signal_name(-code)}{of_a_timer}"
        if code == BROKEN:
            return "killed", "the code broke what the interpreter itself needs"
        return "killed", f"its process exited with status {code}"

    def _stderr(self, notes: str) -> str:
        text = self._err.text()
        if notes and text and not text.endswith("\n"):
            text += "\n"
        return text + notes

    def _on_data(self) -> None:
        try:
            part = self._process.data.recv(1 << 16)
            self._frames += part
            message = frames.take(self._frames)
        except BlockingIOError:
            return
        except OSError:
            part, message = b"", None
        except ValueError as error:
            self._kill("killed", f"it sent {error}")
            return
        if message is not None:
            if self._frames:
                self._forged("it sent more than its answer")
            elif _is_reply(message, self._key):
                self._finish({"status": message["status"], "trace": message["trace"]})
            elif isinstance(message.get("broken"), str):
                self._forged(f"the code broke what the interpreter itself needs: {message['broken'][:_TRACE_CHARS]}")
            else:
                self._forged("it sent a message that is not its answer")
        elif not part:
            self._finish(None)

    def _on_output(self, fd: int, output: Output) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(fd)
            return
        output.feed(data)
        if output.bytes_read > FLOOD_BYTES:
            self._kill("killed", f"it printed more than {FLOOD_BYTES >> 20} MiB")

    def _drain(self) -> None:
        """Read what is left in the pipes; the process is stopped or gone, so there is an end to it."""
        for fd, output in ((self._process.out, self._out), (self._process.err, self._err)):
            while output.bytes_read <= FLOOD_BYTES:
                try:
                    data = os.read(fd, _CHUNK)
                except BlockingIOError:
                    break
                if not data:
                    break
                output.feed(data)

    def _discard_late_output(self) -> None:
        """Forget what threads of earlier cells printed after them; refuse to continue where they forged an answer."""
        for fd in (self._process.out, self._process.err):
            try:
                while os.read(fd, _CHUNK):
                    pass
            except BlockingIOError:
                continue
        try:
            if self._process.data.recv(1):
                self._kill("killed", "it sent an answer that nobody asked for")
        except BlockingIOError:
            pass
        except OSError:
            self._finish(None)

    def _time_is_up(self) -> None:
        """The soft limit, once the cell has had its time: what it waited for a core is given back, within reason."""
        limit = self._bounds.timeout_s
        given_back = min(self._process.starved_s() - self._starved, (PATIENCE - 1) * limit)
        left = self._started + limit + given_back - time.monotonic()
        if left > _REPEAT_S / 10:
            self._later("soft", left, self._time_is_up)
            return
        self._later("hard", self._bounds.grace_s, self._grace_is_over)
        self._interrupt()

    def _interrupt(self) -> None:
        self._interrupted = True
        self._process.signal(INTERRUPT)
        self._later("soft", _REPEAT_S, self._interrupt)

    def _grace_is_over(self) -> None:
        self._kill("timeout", f"it did not stop after {self._bounds.timeout_s:g} s")

    def _watch(self) -> None:
        if self._process.threads() > 2 * MAX_THREADS:  # not by Python's means, which stop before
            self._kill("killed", f"it started more than {MAX_THREADS} threads")
        self._check_scratch()
        if self._killed is None:
            self._later("watch", _WATCH_S, self._watch)

    def _check_scratch(self) -> None:
        """Kill the process where it holds more scratch space than its bounds allow, deleted files included."""
        process, limit, now = self._process, self._bounds.scratch_mb << 20, time.monotonic()
        process.unsearched_s += now - self._seen
        self._seen = now
        size, entries = scratch.usage(process.folder)
        if process.unsearched_s > _SEARCH_S:
            process.unsearched_s = 0.0
            size += scratch.deleted(process.folder, process.pid, limit)
        if size > limit:
            self._kill("disk", f"it wrote more than {self._bounds.scratch_mb} MiB to its scratch folder")
        elif entries > scratch.MAX_ENTRIES:
            self._kill("disk", f"it made more than {scratch.MAX_ENTRIES} files in its scratch folder")

    def _forged(self, why: str) -> None:
        """The end of a session whose word means nothing; a cell whose time was up stays one."""
        self._kill("timeout" if self._interrupted else "killed", why)

    def _kill(self, status: CellStatus, why: str) -> None:
        if self._killed is None:
            self._killed = status, why
        self._process.kill()
        self._finish(None)

    def _finish(self, reply: dict[str, str] | None) -> None:
        if not self._reply.done():
            self._reply.set_result(reply)

    def _later(self, name: str, delay: float, call: object) -> None:
        self._timers[name] = self._loop.call_later(delay, call)  # type: ignore[arg-type]


def _signal_name(number: int) -> str:
    return next((known.name for known in signal.Signals if known == number), f"signal {number}")


def _is_reply(message: dict[str, object], key: str) -> bool:
    statuses = ("ok", "error", "memory", "disk")
    return message.get("key") == key and message.get("status") in statuses and isinstance(message.get("trace"), str)
