"""What the order inside curation prompts costs, on real threads: prompt tokens that an engine has to compute.

    python tests/bench/curation_prefix.py [DATA_FOLDER]

Compares the post before the instruction (as the prompts are) with the instruction before the post, each under an engine
with a prefix cache of 16-token blocks that holds everything it has seen, and both without a cache. Tokens are counted
as runs of up to four letters, digits one by one, and single signs: the ratios are what counts, not the numbers. Also
prints the funnel of the threads.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from pathlib import Path

from factory.programs.curate import curate
from factory.records import Problem
from tests.programs.keyed import Curator, keyed_threads

BLOCK = 16
_TOKEN = re.compile(r"[^\W\d]{1,4}|\d|[^\w\s]|\n")
_TEXTS = re.compile(r"(?s)(.*</(?:post|replies|problem)>\n)(.*)")


class PrefixCache:
    """Counts the tokens of each prompt that no earlier prompt shares as a prefix of whole blocks."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def compute(self, tokens: list[str]) -> int:
        key, cached = 0, 0
        for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
            key = hash((key, *tokens[start : start + BLOCK]))
            if key in self._seen and cached == start:
                cached = start + BLOCK
            self._seen.add(key)
        return len(tokens) - cached


def instruction_first(text: str) -> str:
    """The same prompt with the texts of the thread, and the problem, behind the instruction."""
    texts, instruction = _TEXTS.fullmatch(text).groups()
    return f"{instruction}\n{texts}"


async def main(folder: Path) -> None:
    prompts, funnel = [], Counter()
    threads = keyed_threads(lambda name: folder / name)
    for thread, facts in threads:
        curator = Curator(thread, facts)
        for row in await curate(thread, curator):
            reason = (
                ("problem with answer" if row.answer else "problem without answer") if isinstance(row, Problem) else ""
            )
            funnel[reason or f"rejected: {row.reason}"] += 1
        prompts += [text for _, text in curator.rendered]
    post_first, other = PrefixCache(), PrefixCache()
    whole = [_TOKEN.findall(text) for text in prompts]
    turned = [_TOKEN.findall(instruction_first(text)) for text in prompts]
    total = sum(map(len, whole))
    ours, theirs = sum(map(post_first.compute, whole)), sum(map(other.compute, turned))
    print(f"{len(threads)} threads, {len(prompts)} prompts: {dict(funnel)}")
    print(f"prompt tokens per thread, no cache:                 {total / len(threads):8.0f}")
    print(f"computed per thread, post first (as the prompts are): {ours / len(threads):6.0f}  ({ours / total:.0%})")
    print(f"computed per thread, instruction first:             {theirs / len(threads):8.0f}  ({theirs / total:.0%})")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else root.parent / "shared" / "data"))
