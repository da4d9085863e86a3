"""Scratch folders: one root per sandbox, one folder per session in it, and nothing left of them afterwards.

A root is held by a lock on a file in it. Roots whose holder is gone are removed by the next sandbox of the same user.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

MAX_ENTRIES = 4096
"""Files and folders that one session may have in its scratch folder at a time."""


class Root:
    """The folder of one sandbox's scratch folders."""

    def __init__(self, parent: str | None = None) -> None:
        base = Path(parent or tempfile.gettempdir(), f"factory-sandbox-{os.getuid()}")
        base.mkdir(mode=0o700, exist_ok=True)
        if base.stat().st_uid != os.getuid():
            raise PermissionError(f"{base} belongs to another user")
        _sweep(base)
        self.path = tempfile.mkdtemp(dir=base)
        self._lock = _try_lock(self.path)

    def folder(self) -> str:
        """A new, empty scratch folder."""
        return tempfile.mkdtemp(prefix="s", dir=self.path)

    def remove(self) -> None:
        """Remove the root and all that is in it."""
        remove(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove(folder: str) -> None:
    """Remove a folder whatever is in it: a session may have nested folders deeper than Python's recursion goes."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError:
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            subprocess.run(["rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)


def usage(folder: str, pid: int | None) -> tuple[int, int]:
    """Bytes and entries that a session holds in its folder; with `pid`, deleted files that it keeps open too.

    The walk ends soon after `MAX_ENTRIES`: it runs while the session fills the folder.
    """
    size = entries = 0
    pending = [folder]
    while pending and entries <= MAX_ENTRIES:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > MAX_ENTRIES:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue
        except OSError:  # a path longer than the kernel takes: nested beyond reason
            entries = MAX_ENTRIES + 1
    return size + (_deleted_but_open(pid) if pid else 0), entries


def _deleted_but_open(pid: int) -> int:
    size = 0
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found = os.stat(f"/proc/{pid}/fd/{fd}")
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                size += found.st_blocks * 512
    except OSError:
        pass  # it has ended, or closed that one
    return size


def _sweep(base: Path) -> None:
    for path in base.iterdir():
        lock = _try_lock(str(path))
        if lock is not None:
            remove(str(path))
            os.close(lock)


def _try_lock(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
