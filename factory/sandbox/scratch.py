"""Scratch folders: one root per sandbox, one folder per session in it, and nothing left of them afterwards.

A root is held by a lock on a file in it. Roots whose holder is gone are removed by the next sandbox of the same user.
"""

from __future__ import annotations

import contextlib
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


def usage(folder: str) -> tuple[int, int]:
    """Bytes and entries in a session's folder. The walk ends soon after `MAX_ENTRIES`: it may be filled meanwhile."""
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
    return size, entries


def deleted(folder: str, pid: int, largest: int) -> int:
    """Bytes of files that are in the folder no more, but that the process still has open or mapped.

    All threads of a session share one table of descriptors (`inside/seccomp`). A file that is only mapped can be
    measured by a privileged actor; for another one it counts as the `largest` that a session can write.
    """
    task = _a_live_task(pid)
    if task is None:
        return 0
    sizes: dict[int, int] = {}  # by inode
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"{task}/fd"):
            with contextlib.suppress(OSError):
                _count(f"{task}/fd/{fd}", sizes)
    with contextlib.suppress(OSError), open(f"{task}/maps", encoding="utf-8", errors="replace") as areas:
        for area in areas:
            if area.endswith(" (deleted)\n") and f" {folder}/" in area:
                span, _, _, _, inode = area.split(maxsplit=5)[:5]
                if int(inode) not in sizes:
                    try:
                        _count(f"/proc/{pid}/map_files/{span}", sizes)
                    except OSError:
                        sizes[int(inode)] = largest
    return sum(sizes.values())


def _count(path: str, sizes: dict[int, int]) -> None:
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
        sizes[found.st_ino] = found.st_blocks * 512


def _a_live_task(pid: int) -> str | None:
    """The folder in /proc of a thread of the process: the first one may have ended before the others."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None  # it has ended
    for task in tasks:
        with contextlib.suppress(OSError):
            if os.listdir(f"/proc/{pid}/task/{task}/fd"):
                return f"/proc/{pid}/task/{task}"
    return None


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
