"""Threads of the generated forum: posts with problems among the talk, replies right and wrong, and the key to both."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal

from jobs.demo.forum.chatter import say
from jobs.demo.forum.discussion import Reply, discussion
from jobs.demo.forum.posed import Parts, Posed, binary, drawn, invalid, multiple_choice, open_problem, parts, proof

Site = Literal["stackexchange", "aops"]
Style = Literal["paragraph", "quote", "item"]
Block = tuple[Style, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What a careful reader finds of one problem. `answer` is the one that the thread gives, as it is written there.

    Where a thread poses several problems, `label` is what its replies call this one, and `named` the sentence of theirs
    that gives the answer.
    """

    text: str
    kind: str
    answer: str | None = None
    converted: str | None = None
    label: str = ""
    named: str = ""


@dataclass(slots=True)
class ForumThread:
    """One thread. `key` lists its problems in order."""

    title: str
    body: list[Block]
    tag: str
    comments: list[str] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    key: list[Known] = field(default_factory=list)


def draw(rng: random.Random, site: Site, *, apart: bool) -> ForumThread:
    """A thread of a random kind; `apart` draws its problems from the part that nothing is trained on."""
    kind = rng.choices(["one", "several", "parts", "none"], [55, 15, 18, 12])[0]
    if kind == "none":
        return without_problem(rng)
    if kind == "parts":
        return pose(rng, site, parts(rng, apart=apart))
    count = 1 if kind == "one" else rng.choice([2, 2, 3])
    return pose(rng, site, [any_problem(rng, apart=apart) for _ in range(count)])


def any_problem(rng: random.Random, *, apart: bool) -> Posed:
    """A problem of any kind, most of them open."""
    if rng.random() < 0.6:
        return open_problem(drawn(rng, apart=apart), formulas=rng.random() < 0.4)
    return rng.choice([multiple_choice, proof, binary, invalid])(rng, apart=apart)


def without_problem(rng: random.Random) -> ForumThread:
    """Talk about books, tools and teaching."""
    said = [say(rng, "no_problem") for _ in range(rng.choice([1, 1, 2]))]
    paragraphs = [_some(rng, ("greeting", 0.5), ("context", 0.6)), " ".join(said), _closing(rng)]
    replies = [Reply(say(rng, "hint"), score=rng.randint(0, 9)) for _ in range(rng.randint(0, 2))]
    return ForumThread(say(rng, "book_title"), _paragraphs(rng, paragraphs), "soft-question", replies=replies)


def pose(rng: random.Random, site: Site, posed: list[Posed] | Parts) -> ForumThread:
    """A thread that asks for the given problems."""
    problems = posed.posed() if isinstance(posed, Parts) else posed
    if isinstance(posed, Parts):
        middle, labels = _parts(rng, posed)
    elif len(posed) == 1:
        middle, labels = _one(rng, posed[0].text), [""]
    else:
        middle, labels = _several(rng, [problem.text for problem in posed])
    said = discussion(rng, site, problems, labels)
    opening = _some(rng, ("greeting", 0.55), ("context", 0.55), ("context", 0.2))
    attempt = _some(rng, ("attempt", 0.5), ("attempt", 0.15))
    closing = " ".join(filter(None, [attempt, said.own, _closing(rng)]))
    title = say(rng, "title")
    if len(problems) == 1 and rng.random() < 0.06:
        title, middle = problems[0].text, []
    body = _join(rng, opening, middle, closing)
    key = [
        Known(problem.text, problem.kind, answer, problem.converted, label, said.named.get(label, ""))
        for problem, answer, label in zip(problems, said.answers, labels, strict=True)
    ]
    tag = problems[0].family.replace("_", "-") or "problem-solving"
    return ForumThread(title, body or [("paragraph", "Please help.")], tag, said.comments, said.replies, key)


def _one(rng: random.Random, text: str) -> list[Block]:
    """A problem inside a paragraph (an empty style is filled in by `_join`), as a paragraph, or quoted."""
    lead = say(rng, "lead_in") if rng.random() < 0.5 else ""
    form = rng.choice(["inline", "inline", "paragraph", "quote"])
    if form == "inline":
        return [("paragraph", f"{lead} {text}".strip())]
    before: list[Block] = [("paragraph", lead)] if lead else []
    return [*before, ("quote" if form == "quote" else "paragraph", text)]


def _several(rng: random.Random, texts: list[str]) -> tuple[list[Block], list[str]]:
    count = {2: "two", 3: "three"}[len(texts)]
    lead: list[Block] = [("paragraph", say(rng, "several", COUNT=count))] if rng.random() < 0.7 else []
    ordinal = [["the first", "the second", "the third"], ["number 1", "number 2", "number 3"]]
    labels = rng.choice(ordinal)[: len(texts)]
    form = rng.choice(["items", "numbered", "paragraphs", "inline"])
    if form == "items":
        return [*lead, *(("item", text) for text in texts)], labels
    if form == "numbered":
        mark = rng.choice(["{}) ", "({}) ", "{}: ", "Problem {}. "])
        return [*lead, *(("paragraph", mark.format(n) + text) for n, text in enumerate(texts, 1))], labels
    if form == "inline":
        links = [
            rng.choice(["", "First: ", "The first one: "]),
            *rng.choices(["And: ", "Then: ", "Next: ", "Also: "], k=2),
        ]
        joined = " ".join(link + text for link, text in zip(links, texts, strict=False))
        return [*lead, ("paragraph", joined)], labels
    return [*lead, *(("paragraph", text) for text in texts)], labels


def _parts(rng: random.Random, made: Parts) -> tuple[list[Block], list[str]]:
    mark = rng.choice(["{})", "({})"])
    names = rng.choice(["abc", ["i", "ii", "iii"], "123"])
    labels = [mark.format(name) for name, _ in zip(names, made.questions, strict=False)]
    asked = [f"{label} {question}" for label, (question, _) in zip(labels, made.questions, strict=True)]
    lead = f"{say(rng, 'lead_in')} " if rng.random() < 0.3 else ""
    if rng.random() < 0.5:
        return [("paragraph", f"{lead}{made.stem} {' '.join(asked)}")], labels
    return [("paragraph", lead + made.stem), *(("paragraph", question) for question in asked)], labels


def _join(rng: random.Random, opening: str, middle: list[Block], closing: str) -> list[Block]:
    """Opening, problems and closing, in paragraphs of their own or run on."""
    blocks = list(middle)
    if opening and blocks and blocks[0][0] == "paragraph" and rng.random() < 0.5:
        blocks[0] = ("paragraph", f"{opening} {blocks[0][1]}")
    elif opening:
        blocks.insert(0, ("paragraph", opening))
    if closing and len(middle) == 1 and blocks[-1][0] == "paragraph" and rng.random() < 0.5:
        blocks[-1] = ("paragraph", f"{blocks[-1][1]} {closing}")
    elif closing:
        blocks.append(("paragraph", closing))
    return blocks


def _paragraphs(rng: random.Random, texts: list[str]) -> list[Block]:
    kept = [text for text in texts if text]
    return [("paragraph", " ".join(kept))] if rng.random() < 0.5 else [("paragraph", text) for text in kept]


def _closing(rng: random.Random) -> str:
    return _some(rng, ("plea", 0.5), ("thanks", 0.5))


def _some(rng: random.Random, *pools: tuple[str, float]) -> str:
    """One sentence of each pool with its probability."""
    return " ".join(say(rng, pool) for pool, share in pools if rng.random() < share)
