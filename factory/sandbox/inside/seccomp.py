"""seccomp: a session may make the system calls of a list, and no others. See seccomp(2) and filter.txt of the kernel.

What is not on the list fails with EPERM, so that Python raises `PermissionError` and the cell goes on. There is no way
to make a child process, so none can be left behind.

There are two filters, and a call needs the consent of both. The long one is installed once, by the zygote, and
inherited: checking and compiling it costs the kernel half a millisecond. It allows what the zygote needs to fork and
confine a session; the short one, which each session installs, takes that away, and knows the session's own number.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from functools import cache

from factory.sandbox.inside import libc, syscalls

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_ABSENT = 0x00050000 | errno.ENOSYS
_NR, _ARCH = 0, 4

_CLONE_THREAD, _CLONE_FILES = 0x00010000, 0x00000400
_CLOSE_RANGE_UNSHARE = 2
_SET_MODE_FILTER = 1
_X32 = 0x40000000

_FCNTL = (*range(8), 36, 37, 38, 1030, 1032)  # descriptors, flags and locks; not F_SETOWN, which aims signals
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # terminal queries, FIONREAD, FIONBIO, close-on-exec
_PRCTL = (15, 16, 0x53564D41)  # names of threads and of memory areas
_OF_THE_ZYGOTE = (
    *("sendmsg", "pidfd_open", "seccomp"),
    *("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"),
)
_STAND_IN = 0x7FFFFFFF  # above any process number, and in no other rule

_Instruction = bytes


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def install_common() -> None:
    """Put the filter of all sessions on the zygote. Needs no_new_privs. Raises `OSError`."""
    machine = os.uname().machine
    _template(machine)
    _install(common(machine))


def install_own() -> None:
    """Put a session's filter on this process, for good. Needs no_new_privs and a single thread. Raises `OSError`."""
    _install(_template(os.uname().machine).replace(_is_pid(_STAND_IN), _is_pid(os.getpid())))


def common(machine: str) -> bytes:
    """The list, as classic BPF, 8 bytes an instruction."""
    nr = syscalls.checked(machine)
    parts = [_load(_ARCH), _jump(_EQUAL, syscalls.AUDIT_ARCH[machine], 1, 0), _ret(_KILL), _load(_NR)]
    if machine == "x86_64":
        parts += [_jump(_AT_LEAST, _X32, 0, 1), _ret(_ABSENT)]
    left_to_the_other = (nr[name] for name in ("kill", "tgkill", "clone", "prctl", *_OF_THE_ZYGOTE))
    for number in (*syscalls.free(machine), *left_to_the_other):
        parts += [_jump(_EQUAL, number, 0, 1), _ret(_ALLOW)]
    for name in ("clone3", "memfd_create", "openat2", "io_uring_setup"):
        parts += [_jump(_EQUAL, nr[name], 0, 1), _ret(_ABSENT)]
    rules = {
        "prlimit64": _one_of(0, (0,)),
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "close_range": [_load(_argument(2)), _jump(_ANY_BIT, _CLOSE_RANGE_UNSHARE, 1, 0), _ret(_ALLOW)],
        "socketpair": _local_stream_pair(),
        "sendto": _null_address(),
    }
    return b"".join([*parts, *_checks(nr, rules), _ret(_REFUSE)])


def own(machine: str, pid: int) -> bytes:
    """What process `pid` may not do although the zygote may: make processes, confine, signal anyone but itself."""
    nr = syscalls.checked(machine)
    rules = {
        "kill": _one_of(0, (pid,)),
        "tgkill": _one_of(0, (pid,)),
        "prctl": _one_of(0, _PRCTL),
        # Threads only, and all with one table of descriptors: the actor counts the files that are open in it.
        "clone": [
            _load(_argument(0)),
            _jump(_ANY_BIT, _CLONE_THREAD, 0, 2),
            _jump(_ANY_BIT, _CLONE_FILES, 0, 1),
            _ret(_ALLOW),
        ],
    }
    parts = [_load(_NR)]
    for name in _OF_THE_ZYGOTE:
        parts += [_jump(_EQUAL, nr[name], 0, 1), _ret(_REFUSE)]
    return b"".join([*parts, *_checks(nr, rules), _ret(_ALLOW)])


@cache
def _template(machine: str) -> bytes:
    """A session's filter for a stand-in process: built once, by the zygote; each session changes a few bytes of it."""
    return own(machine, _STAND_IN)


def _install(code: bytes) -> None:
    header = _Program(len(code) // 8, code)
    number = syscalls.checked(os.uname().machine)["seccomp"]
    libc.syscall(number, _SET_MODE_FILTER, 0, ctypes.addressof(header))


def _checks(nr: dict[str, int], rules: dict[str, list[_Instruction]]) -> list[_Instruction]:
    """Calls that are refused unless their rule, which looks at their arguments, allows them."""
    parts = []
    for name, rule in rules.items():
        parts += [_jump(_EQUAL, nr[name], 0, len(rule) + 1), *rule, _ret(_REFUSE)]
    return parts


def _is_pid(pid: int) -> _Instruction:
    return _jump(_EQUAL, pid, 0, 1)


def _one_of(argument: int, values: tuple[int, ...]) -> list[_Instruction]:
    parts = [_load(_argument(argument))]
    for value in values:
        parts += [_jump(_EQUAL, value, 0, 1), _ret(_ALLOW)]
    return parts


def _local_stream_pair() -> list[_Instruction]:
    """asyncio needs AF_UNIX stream pairs; a datagram pair could be aimed at another socket."""
    flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    kinds = (socket.SOCK_STREAM, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    allowed = _one_of(1, (*kinds, socket.SOCK_STREAM | flags))
    return [_load(_argument(0)), _jump(_EQUAL, socket.AF_UNIX, 0, len(allowed)), *allowed]


def _null_address() -> list[_Instruction]:
    low, high = _argument(4), _argument(4) + 4
    return [_load(low), _jump(_EQUAL, 0, 0, 3), _load(high), _jump(_EQUAL, 0, 0, 1), _ret(_ALLOW)]


def _argument(index: int) -> int:
    """Offset of the low half of an argument in `struct seccomp_data`; both architectures are little-endian."""
    return 16 + 8 * index


def _load(offset: int) -> _Instruction:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(kind: int, value: int, if_true: int, if_false: int) -> _Instruction:
    return struct.pack("=HBBI", kind, if_true, if_false, value)


def _ret(value: int) -> _Instruction:
    return struct.pack("=HBBI", _RETURN, 0, 0, value)
