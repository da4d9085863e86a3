"""How the time to read a transcript grows with its length, on texts made to be slow.

    python tests/bench/parse_speed.py [--size 100000]

Prints, for each text, the milliseconds at that size and the ratio to half of it: 2 is linear time, 4 quadratic. The
fenced texts are read whole, and token by token as a rollout watches them; the tokens are bytes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from factory.dialects.fenced import Fenced
from factory.dialects.fenced_text import segments
from factory.dialects.harmony import Harmony
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer, encode_markup

FENCED = [
    "`",
    "` ",
    "```",
    "```x",
    "``` ```",
    "```python\n",
    "```python\nx\n```\n",
    "```python\n" + "'",
    '"\\"',
    "'''",
    "<tool_call>",
    "a<tool_call>b",
    "</tool_call>",
    "<tool_call>x</tool_call>",
    "a<tool_response>b<tool_call>c</tool_call>",
    "```python\nx\n```\n```output\n1\n```\n",
    "<think>a</think>b",
    "</think>",
    "```output\n",
    "> ```python\n",
    " ",
    "\n",
    "```python```output",
    "x ```output\n",
    "```json\n",
]
HARMONY = [
    "<|start|>",
    "<|start|>assistant",
    "<|channel|>",
    "<|call|>",
    "<|message|>",
    "<|return|>x",
    "<|constrain|>x ",
    "<|start|>python to=assistant<|message|>1<|end|>",
    "<|start|>assistant<|channel|>analysis to=python code<|message|>x<|end|>",
    "<|start|>assistant<|channel|>commentary<|message|>x<|end|><|start|>assistant<|channel|>analysis<|message|>y<|end|>",
    " x",
    '<|start|>assistant to=python<|message|>{"code"<|call|>',
]


def repeated(piece: str, size: int) -> str:
    return piece * (size // len(piece) + 1)


def seconds(work: Callable[[], object]) -> float:
    """The fastest of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def report(name: str, piece: str, work: Callable[[str], Callable[[], object]], size: int) -> None:
    half, whole = (seconds(work(repeated(piece, n))) for n in (size // 2, size))
    print(f"{name:8} {1e3 * whole:9.1f} ms  x{whole / half:4.1f}  {piece[:60]!r}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", type=int, default=100_000, help="characters")
    size = options.parse_args().size
    harmony, fenced = Harmony(ByteTokenizer(CONTROL_TOKENS)), Fenced(ByteTokenizer(["<|im_start|>", "<|im_end|>"]))
    for piece in FENCED:
        report("cut", piece, lambda text: lambda: segments(text), size)
        report("parse", piece, lambda text: lambda: fenced.parse(fenced.tokenizer.encode(text)), size)
        report("watch", piece, lambda text: lambda: fenced.turn_end().feed(fenced.tokenizer.encode(text)), size)
    for piece in HARMONY:
        report("harmony", piece, lambda text: lambda: harmony.parse(encode_markup(harmony.tokenizer, text)), size)


if __name__ == "__main__":
    main()
