"""The process that compares answers, made to be killed: reads pairs, answers verdicts, knows nothing of its parent.

Started as `python -m factory.verify.worker MEMORY_MB POLICY_JSON`. Frames in: {"gold", "prediction"}. Frames out:
{"equal", "method", "detail"}; the first one is {"ready": true}, sent when sympy is warm.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from factory.verify.frames import read_frame, write_frame


def main() -> None:
    memory_mb, policy_json = int(sys.argv[1]), sys.argv[2]
    _die_with_parent()
    # frames keep the real standard output; whatever a library prints goes to standard error
    frames_out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    frames_in = sys.stdin.buffer
    from factory.recipe import EquivalencePolicy
    from factory.verify.equivalence import equivalent, warm_up
    from factory.verify.verdict import Equivalence, undecided

    policy = EquivalencePolicy.model_validate_json(policy_json)
    warm_up()
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_frame(frames_out, {"ready": True})
    while (frame := read_frame(frames_in)) is not None:
        verdict: Equivalence
        try:
            verdict = equivalent(frame["gold"], frame["prediction"], policy)
        except MemoryError:
            verdict = undecided("memory")
        except Exception as error:  # a rule that fails on one pair must not take the next ones with it
            verdict = undecided(f"{type(error).__name__}: {error}"[:200])
        write_frame(frames_out, {"equal": verdict.equal, "method": verdict.method, "detail": verdict.detail})
        if verdict.detail == "memory":
            return  # a process that ran out of memory once is not trusted again


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux); elsewhere the end of stdin has to do."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    except (OSError, AttributeError):
        return


if __name__ == "__main__":
    main()
