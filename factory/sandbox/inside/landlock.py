"""Landlock: deny every file but the ones named. See landlock(7) of the kernel's documentation.

Landlock does not cover chmod, chown, utime and other metadata: those are refused by seccomp.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable

from factory.sandbox.inside import libc

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_MAKE_AND_REMOVE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # rmdir, unlink, mkdir, regular files; no devices, sockets, links

READ = _READ_FILE | _READ_DIR
LIST = _READ_DIR
WRITE = READ | _WRITE_FILE | _MAKE_AND_REMOVE | _REFER | _TRUNCATE
_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE


def abi() -> int:
    """The kernel's Landlock version; 0 where it has none."""
    try:
        return libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Confine this process, for good, to these paths. Needs no_new_privs. Raises `OSError` where it can't.

    Everything that the kernel's version handles is denied by default: files, TCP ports, and, where it knows scopes,
    abstract Unix sockets and signals to processes outside.
    """
    version = abi()
    if version < 1:
        raise OSError("this kernel has no Landlock")
    handled = _handled_rights(version)
    attributes = struct.pack("QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, attributes, size, 0)
    try:
        rights_of = ((READ, readable), (LIST, listable), (WRITE, writable), (_READ_FILE | _WRITE_FILE, devices))
        for rights, paths in rights_of:
            for path in paths:
                _allow(ruleset, path, rights & handled)
        libc.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _handled_rights(version: int) -> int:
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    return (1 << bits) - 1


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing there to allow
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    finally:
        os.close(fd)
