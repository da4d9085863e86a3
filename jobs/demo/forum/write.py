"""Writes the demo's forum: a small Stack Exchange dump and AoPS discussions, or the key to both.

    python -m jobs.demo.forum.write --out jobs/demo/forum/data [--seed S]
    python -m jobs.demo.forum.write --key > key.jsonl

All problems come from the part of the generator that no model is trained on. Some threads ask for a problem of the
benchmark, some for that of another thread in other words; a few rows of the dump are no thread, as in any real one.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from jobs.demo.families import FAMILIES
from jobs.demo.families.base import NAMES
from jobs.demo.forum.formats import Row, aops_row, dump_rows
from jobs.demo.forum.posed import Posed, open_problem
from jobs.demo.forum.threads import ForumThread, draw, pose
from jobs.demo.forum.worded import worded
from jobs.demo.problems import one_of_its_kind, proper

SEED = 40
_QUESTIONS, _DISCUSSIONS, _TWINS = 44, 16, 5
_STEP = 10  # between the ids of two questions: room for the answers
_LINK = {"CreationDate": "2023-12-31T12:00:00.000", "LinkTypeId": "3"}


@dataclass(slots=True)
class Forum:
    """Threads by number, and (later, earlier) numbers of questions that were marked as duplicates."""

    questions: dict[int, ForumThread] = field(default_factory=dict)
    discussions: dict[int, ForumThread] = field(default_factory=dict)
    duplicates: list[tuple[int, int]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the demo's forum, or its key as JSON lines.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("data"))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--key", action="store_true", help="print the problems of each thread instead")
    args = parser.parse_args()
    if args.key:
        for name, thread in key(forum(args.seed)).items():
            print(json.dumps({"thread": name, "problems": [asdict(known) for known in thread.key]}))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    for name, text in files(forum(args.seed)).items():
        (args.out / name).write_text(text, encoding="utf-8", newline="\n")


def forum(seed: int = SEED) -> Forum:
    """The threads, the same for the same seed."""
    rng, made = random.Random(seed), Forum()
    questions = [draw(rng, "stackexchange", apart=True) for _ in range(_QUESTIONS)]
    discussions = [draw(rng, "aops", apart=True) for _ in range(_DISCUSSIONS)]
    exact, renamed, _ = one_of_its_kind(proper(60, 7))
    questions.insert(5, pose(rng, "stackexchange", [Posed(str(exact["problem"]), answer=str(exact["answer"]))]))
    discussions.insert(3, pose(rng, "aops", [Posed(str(renamed["problem"]), answer=str(renamed["answer"]))]))
    twins = [_twins(rng) for _ in range(_TWINS)]
    made.questions = {(n + 1) * _STEP: thread for n, thread in enumerate([*questions, *(a for a, _ in twins)])}
    made.discussions = dict(enumerate([*discussions, *(pose(rng, "aops", [b]) for _, b in twins[:2])], 1))
    earlier = list(made.questions)[-_TWINS + 2 :]
    for original, (_, again) in zip(earlier, twins[2:], strict=True):
        number = max(made.questions) + _STEP
        made.questions[number] = pose(rng, "stackexchange", [again])
        made.duplicates.append((number, original))
    return made


def _twins(rng: random.Random) -> tuple[ForumThread, Posed]:
    """A question about a problem, and the problem in other words."""
    while True:
        family, numbers = rng.choice(list(FAMILIES)), rng.getrandbits(32)
        one, two = (worded(family, numbers, rng.getrandbits(32)) for _ in range(2))
        if one.held_back and one.text != two.text:
            thread = pose(rng, "stackexchange", [open_problem(one, formulas=False)])
            return thread, open_problem(two, formulas=False)


def key(made: Forum) -> dict[str, ForumThread]:
    """Threads by the ids that the demo's recipe gives them."""
    questions = {f"forum:{number}": thread for number, thread in made.questions.items()}
    return questions | {f"aops-{number}": thread for number, thread in made.discussions.items()}


def files(made: Forum) -> dict[str, str]:
    """Contents by file name."""
    rows = [dump_rows(thread, number) for number, thread in made.questions.items()]
    posts = [row for one in rows for row in (one.question, *one.answers)]
    wiki = {"Id": "9001", "PostTypeId": "5", "CreationDate": "2023-01-01T00:00:00.000", "Score": "0", "Body": "A tag."}
    orphan = {"Id": "9002", "PostTypeId": "2", "ParentId": "9000", "Score": "1", "Body": "<p>It is 7.</p>\n"}
    comments = [row for one in rows for row in one.comments]
    links = [
        {"Id": str(n), "PostId": str(later), "RelatedPostId": str(earlier), **_LINK}
        for n, (later, earlier) in enumerate(made.duplicates, 1)
    ]
    users = [{"Id": str(n), "DisplayName": f"{NAMES[n % len(NAMES)]} {n}"} for n in range(1, 45)]
    discussions = [aops_row(thread, number) for number, thread in made.discussions.items()]
    return {
        "Posts.xml": _xml("posts", [*posts, wiki, orphan]),
        "Comments.xml": _xml("comments", comments),
        "PostLinks.xml": _xml("postlinks", links),
        "Users.xml": _xml("users", users),
        "aops.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in discussions),
    }


def _xml(table: str, rows: Iterable[Row]) -> str:
    lines = [f"  <row {' '.join(f'{name}={quoteattr(value)}' for name, value in row.items())} />\n" for row in rows]
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{table}>\n{"".join(lines)}</{table}>\n'


if __name__ == "__main__":
    main()
