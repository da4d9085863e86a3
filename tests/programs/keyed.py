"""A curator that answers from a key written by hand, and the real threads that the key is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from factory.programs.curate import CLASSIFIERS
from factory.programs.thread_text import question_text
from factory.prompts.loader import prompt
from factory.recipe import Source
from factory.records import Thread
from factory.sources import read, splits

KEY: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(
    (Path(__file__).parent / "curation_key.yaml").read_text(encoding="utf-8")
)


def keyed_threads(find: Callable[[str], Path]) -> list[tuple[Thread, list[dict[str, Any]]]]:
    """Each thread of the key, read from its file, with what the key says of it."""
    found = []
    for name, by_id in KEY.items():
        source = Source(kind="aops" if "aops" in name else "stackexchange", path=str(find(name)))
        threads = {row.id: row for split in splits(source) for row in read(split) if isinstance(row, Thread)}
        found += [(threads[identity], facts) for identity, facts in by_id.items()]
    return found


class Curator:
    """Replies as the key says, in the form that each prompt asks for; a problem is worded as its whole post."""

    def __init__(self, thread: Thread, facts: list[dict[str, Any]]) -> None:
        self.rendered: list[tuple[str, str]] = []
        self._facts = {f"{question_text(thread)} ({number})": fact for number, fact in enumerate(facts, 1)}

    async def ask(self, role: str, name: str, variables: Mapping[str, Any]) -> str:
        self.rendered.append((name, prompt(name).render(variables)))
        if name == "extract_problems":
            listed = [f"Problem {number}: {text}" for number, text in enumerate(self._facts, 1)]
            return "\n\n".join(listed) or "No problem"
        fact = self._facts[variables["problem"]]
        for classifier in CLASSIFIERS:
            if name == classifier.prompt:
                return classifier.yes if fact.get("class") == classifier.reason else classifier.no
        return f"Answer: \\boxed{{{fact['answer']}}}" if fact["answer"] else "Answer: not found"
