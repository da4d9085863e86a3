"""Landlock: deny every file but the ones named. See landlock(7) of the kernel's documentation.

Landlock does not cover chmod, chown, utime and other metadata: those are refused by seccomp.
The zygote looks the paths up once (`Rules`); each session makes a ruleset of its own from them, because a rule that
is added to an inherited ruleset would hold for every session.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterable

from factory.sandbox.inside import libc

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_RULE = struct.Struct("=Qi")

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_MAKE_AND_REMOVE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # rmdir, unlink, mkdir, regular files; no devices, sockets, links

READ = _READ_FILE | _READ_DIR
LIST = _READ_DIR
WRITE = READ | _WRITE_FILE | _MAKE_AND_REMOVE | _REFER | _TRUNCATE
_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE


def abi() -> int:
    """The kernel's Landlock version; 0 if it has none."""
    try:
        return libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


class Rules:
    """What all sessions may read, held as open descriptors. Raises `OSError` if the kernel has no Landlock."""

    def __init__(self, readable: Iterable[str], listable: Iterable[str], devices: Iterable[str]) -> None:
        version = abi()
        if version < 1:
            raise OSError("this kernel has no Landlock")
        self._handled = _handled_rights(version)
        self._attributes = struct.pack("QQQ", self._handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
        self._size = 24 if version >= 6 else 16 if version >= 4 else 8
        rules = []
        for rights, paths in ((READ, readable), (LIST, listable), (_READ_FILE | _WRITE_FILE, devices)):
            for path in paths:
                with contextlib.suppress(FileNotFoundError):  # nothing there to allow
                    rules.append(self._rule(path, rights))
        self._rules = b"".join(rules)  # one object: a session copies the page of each object that it touches

    def restrict(self, writable: str) -> None:
        """Confine this process, for good, to these paths and one folder to write in. Needs no_new_privs.

        Everything that the kernel's version handles is denied by default: files, TCP ports, and, where it knows scopes,
        abstract Unix sockets and signals to processes outside. Raises `OSError` if it can't.
        """
        ruleset = libc.syscall(_CREATE_RULESET, self._attributes, self._size, 0)
        rules = self._rules + self._rule(writable, WRITE)
        for start in range(0, len(rules), _RULE.size):
            rule = rules[start : start + _RULE.size]
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
            os.close(_RULE.unpack(rule)[1])
        libc.syscall(_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)

    def _rule(self, path: str, rights: int) -> bytes:
        """The kernel's `struct landlock_path_beneath_attr`: rights, and an open descriptor of the path."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES
        return _RULE.pack(rights & self._handled, fd)


def _handled_rights(version: int) -> int:
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    return (1 << bits) - 1
