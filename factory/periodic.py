"""One thing done every few seconds beside the work of a block, on a thread of its own. Knows nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def every(
    seconds: float,
    task: Callable[[], object],
    *,
    name: str,
    last: Callable[[], object] | None = None,
    grace_s: float | None = None,
) -> Iterator[None]:
    """Call `task` every `seconds` while the block runs, first after `seconds`, on a daemon thread called `name`.

    When the block ends, a call under way is waited for, then `last` is called, on the same thread, and waited for.
    Where the block raised, all that waiting takes `grace_s` at most (None: as long as it takes), so that a call that
    hangs does not keep the error from its reader. An error of a call itself is logged and costs that call alone.
    """
    ended = threading.Event()

    def turns() -> None:
        while not ended.wait(seconds):
            _attempt(task, name)
        if last is not None:
            _attempt(last, name)

    thread = threading.Thread(target=turns, name=name, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        ended.set()
        thread.join(grace_s)
        raise
    ended.set()
    thread.join()


def _attempt(call: Callable[[], object], name: str) -> None:
    try:
        call()
    except Exception:
        log.exception("%s failed this time", name)
