"""Ties vLLM's processes to the life of the process that owns the engine (Linux).

A SIGKILLed owner runs no clean-up, and vLLM's engine core does not notice that it was orphaned: it would hold its GPU
for ever. vLLM calls every `vllm.general_plugins` entry point at the start of each of its processes; `arm` is ours. It
asks the kernel to kill the process when its parent dies (prctl(2), PR_SET_PDEATHSIG), and does nothing in processes
that no `VllmEngine` started. The kernel's "parent" is the thread that spawned the child, so an engine must be built in
a thread that lives as long as its process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_OWNER = "FACTORY_ENGINE_OWNER"
_PR_SET_PDEATHSIG = 1


def own() -> None:
    """Name this process as the owner of the engines that it starts from now on."""
    os.environ[_OWNER] = str(os.getpid())


def arm() -> None:
    """Die with the parent, if an owner is named and this is one of its descendants."""
    owner = os.environ.get(_OWNER)
    if owner is None or owner == str(os.getpid()) or sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The owner or the parent may have died while this process was starting, before the kernel was asked.
    if os.getppid() != parent or not os.path.exists(f"/proc/{owner}"):
        os._exit(1)
