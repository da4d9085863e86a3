"""What the sandbox's tests share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from factory import recipe
from factory.records import ToolCall
from factory.sandbox.local import LocalSandbox

EXTERNAL = recipe.SandboxSettings(if_missing="external", external_claim="a test takes the layer away")


async def run_cells(sandbox: LocalSandbox, *cells: str, timeout_s: float = 10.0) -> list[ToolCall]:
    """Run the cells in a fresh session of their own."""
    session = await sandbox.open()
    try:
        return [await session.run(cell, timeout_s) for cell in cells]
    finally:
        await session.close()


def descendants(pid: int | None = None) -> set[int]:
    """Processes below `pid` (default: this one), zombies left out."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: set[int] = set()
    pending: Iterable[int] = [pid or os.getpid()]
    while pending:
        pending = [child for parent in pending for child in children.get(parent, [])]
        found.update(pending)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there (a zombie is not)."""
    return state_of(pid) not in ("", "Z")


def state_of(pid: int) -> str:
    """The state letter of a process: R, S, T, Z...; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def until(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def zygotes(parent: int | None = None) -> set[int]:
    """Running zygotes (of one actor), with their sessions."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and is_alive(int(folder.name)):
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"factory.sandbox.inside.zygote" in command:
                found.add(int(folder.name))
    return found if parent is None else found & descendants(parent)
