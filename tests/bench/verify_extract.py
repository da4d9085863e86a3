"""How long extraction takes per kilobyte, on ordinary text and on text made to be slow; it should not grow with size.

    python tests/bench/verify_extract.py [--sizes 1 10 100]

CPU milliseconds per kB at each size in kB, the best of three. A linear reading gives one figure per line.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.verify.extract import answer_of
from tests.verify.hostile import HOSTILE

ORDINARY: dict[str, Callable[[int], str]] = {
    "prose": lambda size: "We add 5 and 7, so the sum is 12. " * (size // 34),
    "derivation": lambda size: "Then \\(x = \\frac{1}{2}\\), and \\[ y = \\sqrt{3} \\] follows.\n" * (size // 56),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", type=int, nargs="*", default=[1, 10, 100])
    sizes = options.parse_args().sizes
    answer_of("The answer is 5.")  # the tables of words are read once
    print(f"{'ms per kB':<20}" + "".join(f"{size:>7} kB" for size in sizes))
    for name, build in (ORDINARY | HOSTILE).items():
        figures = [_milliseconds(build(size * 1000)) / size for size in sizes]
        print(f"{name:<20}" + "".join(f"{figure:>10.3f}" for figure in figures))


def _milliseconds(text: str) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        answer_of(text)
        best = min(best, time.process_time() - started)
    return best * 1000


if __name__ == "__main__":
    main()
