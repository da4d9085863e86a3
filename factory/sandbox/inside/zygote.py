"""The process that all sessions of an actor are forked from: preloaded, single-threaded, without any secret.

It is started by exec in a clean environment (a fork would inherit the actor's memory). It speaks with the actor over a
packet socket: orders with three descriptors in, process descriptors and exit notices out. When the actor is gone it
removes the scratch folders and ends, and the kernel ends every session with it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from os import fork  # before `processes` puts a refusal in its place
from typing import Any

from factory.sandbox import frames
from factory.sandbox.inside import hooks, hugepages, importing, preload, privileges, processes, session, tracebacks
from factory.sandbox.inside.privileges import Options

_SOURCE = os.path.dirname(frames.__file__)


def main() -> None:
    """`zygote CONTROL_FD OPTIONS`: load, report, then fork sessions until the actor disconnects."""
    control = socket.socket(fileno=int(sys.argv[1]))
    options = _options(json.loads(sys.argv[2]))
    missing = preload.load()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        _say(control, {"fatal": f"{threads} threads after the imports; a fork needs one"})
        sys.exit(70)
    try:
        blank = _settle(options)
    except (OSError, ValueError) as error:
        _say(control, {"fatal": f"a layer of isolation can't be put on: {error}"})
        sys.exit(70)
    wake = _notice_children()
    _say(control, {"ready": os.getpid(), "missing": missing})
    _serve(control, wake, blank)
    shutil.rmtree(options["root"], ignore_errors=True)


def _settle(options: Options) -> session.BlankSession:
    """Do all that is the same for every session once, before the forks: each touched page would be copied each time."""
    hooks.allow()
    processes.install()
    tracebacks.install()
    importing.hide_the_project(options["packages"])
    sys.argv = sys.orig_argv = [""]
    sys.dont_write_bytecode = True
    privileges.settle(options["limits"], options["layers"])
    blank = session.BlankSession(options)
    tracebacks.hide_the_runner(_SOURCE)
    gc.collect()
    gc.freeze()
    hugepages.collapse()
    return blank


def _options(given: dict[str, Any]) -> Options:
    tops = importing.tops_of(given["distributions"])
    return Options(
        limits=given["limits"],
        trees=importing.trees_for(tops),
        packages=sorted(tops),
        layers=given["layers"],
        root=given["root"],
    )


def _serve(control: socket.socket, wake: int, blank: session.BlankSession) -> None:
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if wake in ready:
            os.read(wake, 4096)
            _reap(control)
        if control.fileno() in ready:
            message, fds, _, _ = socket.recv_fds(control, 1 << 16, 3)
            if not message:
                return
            _fork(control, wake, json.loads(message), blank, (fds[0], fds[1], fds[2]))
            for fd in fds:
                os.close(fd)


def _fork(
    control: socket.socket, wake: int, order: session.Order, blank: session.BlankSession, fds: tuple[int, int, int]
) -> None:
    zygote = os.getpid()
    try:
        pid = fork()
    except OSError as error:
        _say(control, {"refused": order["id"], "why": str(error)})
        return
    if pid == 0:
        os.close(signal.set_wakeup_fd(-1))
        control.close()
        os.close(wake)
        try:
            blank.live(order, fds, zygote)
        finally:
            os._exit(session.BROKEN)  # whatever a cell has broken, a session never continues as a zygote
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        _say(control, {"refused": order["id"], "why": str(error)})
        return
    _say(control, {"opened": order["id"], "pid": pid}, pidfd)
    os.close(pidfd)


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(control, {"exited": pid, "code": os.waitstatus_to_exitcode(status)})


def _notice_children() -> int:
    """A descriptor that becomes readable when a child has ended."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _say(control: socket.socket, message: dict[str, Any], *fds: int) -> None:
    try:
        socket.send_fds(control, [json.dumps(message).encode()], fds)
    except OSError:
        os._exit(0)  # the actor is gone


if __name__ == "__main__":
    main()
