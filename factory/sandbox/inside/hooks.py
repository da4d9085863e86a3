"""Keep Python's libraries from registering what they do after a fork. To be called before they are imported.

`threading`, `logging` and `random` reset locks and reseed in each child, at a tenth of a small session's CPU time. The
zygote forks with one thread, so no lock is held, and it seeds each session itself.
"""

from __future__ import annotations

import os
from typing import Any

_register = os.register_at_fork


def refuse() -> None:
    """From now on nothing is registered."""
    os.register_at_fork = _ignore


def allow() -> None:
    """Undo `refuse`."""
    os.register_at_fork = _register


def _ignore(**_hooks: Any) -> None:
    pass
