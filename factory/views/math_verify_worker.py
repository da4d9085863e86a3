"""The process in which math-verify compares answers as RL trainers call it, made to be killed.

Started as `python -m factory.views.math_verify_worker`. Frames in: {"gold", "prediction"}; out: {"equal"}, after a
first {"state": "ready"}. The call is that of verl's `math_verify` reward and of NeMo-RL's math environment: the gold is
boxed and read as LaTeX, the response is read for an expression or LaTeX, and whatever fails is a reward of 0.
"""

from __future__ import annotations

import os
import resource
import sys

from factory.verify.frames import read_frame, write_frame

MEMORY_BYTES = 2 << 30


def main() -> None:
    frames_out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    from math_verify.metric import math_metric
    from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig

    compare = math_metric(
        gold_extraction_target=(LatexExtractionConfig(),),
        pred_extraction_target=(ExprExtractionConfig(), LatexExtractionConfig()),
    )
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    write_frame(frames_out, {"state": "ready"})
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        try:
            reward, _ = compare([f"\\boxed{{{frame['gold']}}}"], [f"\\boxed{{{frame['prediction']}}}"])
        except MemoryError:
            return
        except Exception:  # as the trainers do: an answer that cannot be read earns nothing
            reward = 0.0
        write_frame(frames_out, {"equal": reward > 0})


if __name__ == "__main__":
    main()
