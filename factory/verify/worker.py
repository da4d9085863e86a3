"""The process that compares answers, made to be killed: reads pairs, answers verdicts, knows nothing of its parent.

Started as `python -m factory.verify.worker MEMORY_MB POLICY_JSON`. Frames in: {"gold", "prediction"}, answered by
{"equal", "method", "detail"}, or {"text"}, answered by {"extracted"}. Besides these it says {"state"}: "ready" once at
the start, "warming" and "warm" around the import of sympy, which only the first pair in need of it waits for, and which
is not charged to that pair's budget. It ends where memory ran out, and where sympy could not be imported: half of a
library is not trusted with the next pair.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import BinaryIO

from factory.recipe import EquivalencePolicy
from factory.verify.equivalence import by_algebra, by_rules
from factory.verify.extract import answer_of
from factory.verify.frames import read_frame, write_frame
from factory.verify.result import Equivalence, undecided
from factory.verify.symbolic import is_warm, warm_up


def main() -> None:
    memory_mb, policy_json = int(sys.argv[1]), sys.argv[2]
    _die_with_parent()
    # frames keep the real standard output; whatever a library prints goes to standard error
    frames_out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    frames_in = sys.stdin.buffer
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    policy = EquivalencePolicy.model_validate_json(policy_json)
    write_frame(frames_out, {"state": "ready"})
    while (frame := read_frame(frames_in)) is not None:
        if "text" in frame:  # what fails here ends this process, and its parent starts another
            write_frame(frames_out, {"extracted": answer_of(frame["text"], policy.boxes)})
            continue
        try:
            verdict = _compare(frame["gold"], frame["prediction"], policy, frames_out)
        except MemoryError:
            verdict = undecided("memory")
        except Exception as error:  # a rule that fails on one pair must not take the next ones with it
            verdict = undecided(f"{type(error).__name__}: {error}"[:200])
        write_frame(frames_out, {"equal": verdict.equal, "method": verdict.method, "detail": verdict.detail})
        if verdict.detail == "memory":
            return


def _compare(gold: str, prediction: str, policy: EquivalencePolicy, frames_out: BinaryIO) -> Equivalence:
    verdict, formulas = by_rules(gold, prediction, policy)
    if formulas is None:
        return verdict
    if not is_warm():
        write_frame(frames_out, {"state": "warming"})
        _import_sympy()
        write_frame(frames_out, {"state": "warm"})
    return by_algebra(formulas, verdict)


def _import_sympy() -> None:
    """Raises MemoryError, or ends this process with what else went wrong.

    Extensions that find no memory during an import also raise SystemError and ImportError.
    """
    try:
        warm_up()
    except MemoryError:
        raise
    except Exception as error:
        raise SystemExit(f"the checker cannot import math-verify: {type(error).__name__}: {error}") from error


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux); elsewhere the end of stdin has to do."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    except (OSError, AttributeError):
        return


if __name__ == "__main__":
    main()
