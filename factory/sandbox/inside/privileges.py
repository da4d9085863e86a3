"""What a session gives up before it sees a cell: capabilities, resources, files, system calls.

The zygote gives up, once, what it does not need itself (`settle`), and every fork inherits that; a session gives up
the rest (`Confinement`).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
from collections.abc import Collection
from typing import TypedDict

from factory.sandbox.inside import landlock, libc, seccomp

LAYERS = ("rlimits", "capabilities", "landlock", "seccomp")
"""The layers by name; a test takes one away to see what it is good for."""

_REPORT_ROOM = 32 << 20  # bytes beyond the budget, in which the runner reports that it is exhausted
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522


class Limits(TypedDict):
    """What one session may use: MiB of memory beyond the zygote's own, MiB per scratch file, CPU seconds in all."""

    memory_mb: int
    scratch_mb: int
    cpu_s: int


class Trees(TypedDict):
    """The files of a session. `listable` folders show names only; everything not named is denied."""

    readable: list[str]
    listable: list[str]
    devices: list[str]


class Options(TypedDict):
    """What every session of one zygote shares; `root` holds the scratch folders and goes when the actor goes."""

    limits: Limits
    trees: Trees
    packages: list[str]
    layers: list[str]
    root: str


def settle(limits: Limits, layers: Collection[str] = LAYERS) -> None:
    """Give up what neither the zygote nor a session needs. Raises `OSError` or `ValueError` if it can't."""
    if "capabilities" in layers:
        _drop_capabilities()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if "rlimits" in layers:
        _set_limits(limits)
    if "seccomp" in layers:
        seccomp.install_common()


class Confinement:
    """What a session gives up beyond that, looked up once by the zygote. Raises `OSError` if a layer is missing."""

    def __init__(self, limits: Limits, trees: Trees, layers: Collection[str] = LAYERS) -> None:
        self._layers = layers
        self._own_limits = {
            resource.RLIMIT_CPU: (limits["cpu_s"], limits["cpu_s"] + 1),
            resource.RLIMIT_NOFILE: (64, 64),
        }
        self._files = landlock.Rules(**trees) if "landlock" in layers else None

    def put_on(self, scratch: str) -> None:
        """Confine this process for good. Raises `OSError` or `ValueError` where a layer can't be put on."""
        _be_the_first_to_go()
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._files is not None:
            self._files.restrict(scratch)
        if "rlimits" in self._layers:
            for kind, value in self._own_limits.items():
                _set_limit(kind, *value)
        if "seccomp" in self._layers:
            seccomp.install_own()


def _drop_capabilities() -> None:
    """Also where the user id stays 0: CAP_SYS_RESOURCE could raise the limits again."""
    for capability in range(64):
        try:
            libc.prctl(libc.PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last one, or without the privilege to drop any, which also means without any
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    libc.syscall(_CAPSET[os.uname().machine], header, bytes(24))


def _be_the_first_to_go() -> None:
    """Where memory runs out, the kernel should pick a session, not the actor. A preference: it may be refused."""
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(fd, b"1000")
        finally:
            os.close(fd)


def _set_limits(limits: Limits) -> None:
    """The limits that hold for the zygote as for its sessions; the budget of memory is beyond what it maps already."""
    memory = _own_address_space() + (limits["memory_mb"] << 20)
    values = {
        resource.RLIMIT_AS: (memory, memory + _REPORT_ROOM),
        resource.RLIMIT_FSIZE: (limits["scratch_mb"] << 20,) * 2,
        resource.RLIMIT_STACK: (8 << 20, resource.RLIM_INFINITY),  # a cell may raise it: it counts as memory
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
    }
    for kind, value in values.items():
        _set_limit(kind, *value)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, or keep the hard one that this process has where that is lower."""
    _, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


def _own_address_space() -> int:
    fd = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(fd, 100).split()[0]) * resource.getpagesize()
    finally:
        os.close(fd)
