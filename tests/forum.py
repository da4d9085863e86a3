"""A small forum and a table beside it, with what a curator and a teacher answer to them: the inputs of whole runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.programs.curate import curate
from factory.prompts.loader import prompt
from factory.recipe import Source
from factory.records import Problem, Reject, Thread
from factory.sources import read, splits
from tests.programs.keyed import Curator
from tests.sources.dumps import answer, document, question

REFUSED = "CC BY-NC 4.0"


@dataclass
class Forum:
    """Sources for a recipe, what every thread comes to, and the words of a model that plays all roles."""

    sources: list[dict[str, Any]]
    replies: dict[str, str] = field(default_factory=dict)  # prompt as the model sees it -> reply
    curated: dict[str, list[Problem | Reject]] = field(default_factory=dict)  # thread -> what becomes of it
    n_table: int = 0

    def script(self, words: str) -> str:
        """The model: curates by the key, and answers 4 to everything else."""
        return self.replies.get(words, "\\boxed{4}")

    @property
    def problems(self) -> dict[str, Problem]:
        rows = (row for rows in self.curated.values() for row in rows)
        return {row.id: row for row in rows if isinstance(row, Problem)}


def forum(folder: Path, threads: int = 12, n_table: int = 3) -> Forum:
    """Threads by their number modulo 6: one problem, two problems, a proof and a problem, none, a malformed reply, a
    problem without an answer. Then an AoPS thread, one under a licence that is refused, and a table of problems."""
    posts, facts = [], {}
    for n in range(threads):
        posts.append(
            question(10 * n, Body=f"<p>Number {n}: what is ${n} + 4 - {n}$?</p>", OwnerDisplayName=f"asker {n}")
        )
        posts.append(answer(10 * n + 1, 10 * n, OwnerDisplayName=f"helper {n}"))
        facts[f"forum.example:{10 * n}"] = _facts(n % 6)
    (folder / "forum.example").mkdir()
    dump = folder / "forum.example" / "Posts.xml"
    dump.write_bytes(document(posts))
    aops = folder / "aops.jsonl"
    lines = [
        {
            "id": "aops-0",
            "forum_post": "Find $2+2$.",
            "forum_discussions": "Post 1:\nIt is 4.",
            "license": "AoPS terms",
        },
        {"id": "aops-1", "forum_post": "Find $2^2$.", "forum_discussions": "", "license": REFUSED},
    ]
    aops.write_text("".join(json.dumps(line) + "\n" for line in lines))
    facts["aops-0"] = [{"answer": "4"}]
    table = folder / "table.jsonl"
    rows = [
        {"id": f"t{n}", "problem": f"What is {n} * 4 / {n}, in row {n}?", "answer": "4"} for n in range(1, n_table + 1)
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = Forum(
        [
            {"kind": "stackexchange", "path": str(dump), "site": "forum.example"},
            {"kind": "aops", "path": str(aops), "refuse_licenses": ["CC BY-NC*"]},
            {"path": str(table), "license": "MIT"},
        ],
        n_table=n_table,
    )
    asyncio.run(_learn(made, facts))
    return made


def _facts(shape: int) -> list[dict[str, Any]]:
    found: list[list[dict[str, Any]]] = [
        [{"answer": "4"}],
        [{"answer": "4"}, {"answer": "4"}],
        [{"class": "proof"}, {"answer": "4"}],
        [],
        [{"malformed": True}],
        [{"answer": None}],
    ]
    return found[shape]


async def _learn(made: Forum, facts: Mapping[str, list[dict[str, Any]]]) -> None:
    """Run the program itself over the key, and keep every prompt with its reply."""
    for source in made.sources[:2]:
        for split in splits(Source.model_validate(source)):
            for thread in read(split):
                if isinstance(thread, Thread):
                    key = _Key(thread, facts[thread.id], made.replies)
                    made.curated[thread.id] = await curate(thread, key)


class _Key:
    """The keyed curator, with a reply that no parser reads where the key says so; notes what it says."""

    def __init__(self, thread: Thread, facts: list[dict[str, Any]], replies: dict[str, str]) -> None:
        self._malformed = any("malformed" in fact for fact in facts)
        self._curator, self._replies = Curator(thread, facts), replies

    async def ask(self, role: str, name: str, variables: Mapping[str, Any]) -> str:
        reply = "Well." if self._malformed else await self._curator.ask(role, name, variables)
        return self._replies.setdefault(prompt(name).render(variables), reply)
