"""One attempt at a row: a row whose program raises, or whose workers keep dying, becomes a reject."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import TypeVar

from factory.errors import FactoryError, Unavailable
from factory.programs.effects import JournaledWork
from factory.records import Problem, Reject, Thread
from factory.stages.ledger import Attempt

log = logging.getLogger(__name__)

Ending = TypeVar("Ending")


async def run_attempt(
    row: Thread | Problem,
    attempt: Attempt,
    program: Callable[[JournaledWork], Awaitable[Ending]],
    *,
    stage: str,
    max_attempts: int,
) -> Ending | Reject:
    """Run a row's program, given what earlier attempts left in the journal; returns its outcome or a reject.

    Raises `Unavailable` (the row stays unfinished, for later) and `FactoryError` (for the user to fix).
    """
    if attempt.number > max_attempts:
        return Reject.of(row, stage, "crashes_worker", f"{attempt.number - 1} workers ended while they had this row")
    try:
        return await program(attempt.recorded)
    except (FactoryError, Unavailable):
        raise
    except Exception as error:
        log.exception("the program failed on %s", row.id)
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Reject.of(row, stage, "program_failed", f"{error!r} at {where.name}:{where.lineno}")
