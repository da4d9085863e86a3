"""What the order inside curation prompts costs, on real threads: prompt tokens that an engine has to compute.

    python -m tests.bench.curation_prefix [DATA_FOLDER]

Compares three orders: the prompts as they are (one text that explains all tasks, the post, the task), each task's own
instruction before the post, and the post before the instruction; each under an engine with a prefix cache of 16-token
blocks that holds everything it has seen, and all without a cache. Tokens are counted as runs of up to four letters,
digits one by one, and single signs: the ratios are what counts, not the numbers. Prints the funnel of the threads too.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from pathlib import Path

from factory.programs.curate import curate
from factory.prompts.loader import prompt
from factory.records import Problem
from tests.programs.keyed import Curator, keyed_threads

BLOCK = 16
_TOKEN = re.compile(r"[^\W\d]{1,4}|\d|[^\w\s]|\n")


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


def sections() -> dict[str, str]:
    """By task, what the curator's preamble says of it."""
    found = {}
    for section in prompt("curator").render({}).split("# Task ")[1:]:
        name, _, text = section.partition("\n")
        found[name.strip('"')] = text.strip()
    return found


def orders(name: str, text: str, explained: dict[str, str]) -> tuple[str, str, str]:
    """The prompt as it is, with its own instruction before the post, and with it behind the post."""
    post = text.removeprefix(prompt(name).preamble)
    instruction = next(section for task, section in explained.items() if f"Task: {task} (" in post.splitlines()[-1])
    return text, f"{instruction}\n\n{post}", f"{post}\n\n{instruction}"


async def main(folder: Path) -> None:
    prompts, funnel, explained = [], Counter(), sections()
    threads = keyed_threads(lambda name: folder / name)
    for thread, facts in threads:
        curator = Curator(thread, facts)
        for row in await curate(thread, curator):
            answered = "problem with answer" if isinstance(row, Problem) and row.answer else "problem without answer"
            funnel[answered if isinstance(row, Problem) else f"rejected: {row.reason}"] += 1
        prompts += [orders(name, text, explained) for name, text in curator.rendered]
    print(f"{len(threads)} threads, {len(prompts)} prompts: {dict(funnel)}")
    print(f"{'prompt tokens per thread':40}{'no cache':>10}{'computed':>10}{'share':>8}")
    for order, texts in zip(
        ("as they are", "instruction first", "post first"), zip(*prompts, strict=True), strict=True
    ):
        cache, tokens = PrefixCache(), [_TOKEN.findall(text) for text in texts]
        total, computed = sum(map(len, tokens)), sum(map(cache.compute, tokens))
        print(f"{order:40}{total / len(threads):10.0f}{computed / len(threads):10.0f}{computed / total:8.0%}")


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else root.parent / "shared" / "data"))
