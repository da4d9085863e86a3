"""What the tiny curator is taught: the steps of curation, over generated threads as the sources read them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from factory.dialects.harmony import Harmony
from factory.programs.curate import CLASSIFIERS, PROMPTS
from factory.programs.thread_text import discussion_text, question_text
from factory.prompts.loader import prompt
from factory.records import Mode
from jobs.demo import judge_tasks
from jobs.demo.corpus import Example, Task, example
from jobs.demo.forum import formats, posed, threads
from jobs.demo.forum.threads import ForumThread, Known, Site
from jobs.demo.solutions import Final

__all__ = ["PROMPTS", "TASKS", "WORDS", "question", "texts"]

WORDS = r"\p{N}|\p{L}+ ?|\n|[^\p{L}\p{N}\s] ?|\s"
"""A space belongs to the word before it: so a sentence begins alike in the middle of a line and at its start."""
_SITES: list[Site] = ["stackexchange", "aops"]
_MAX_DISCUSSION = 24_000
_LAST_WORDS = 6

Question = tuple[str, dict[str, Any], str]
"""Prompt, variables, and the reply that is right."""


def question(name: str, rng: random.Random, *, apart: bool, crowded: bool = False) -> Question:
    """What a step of curation asks of a thread, and the reply; with `apart` of one that nothing is trained on.

    A `crowded` thread poses several problems.
    """
    wanted = {classifier.prompt: classifier.reason for classifier in CLASSIFIERS} | {"convert_proof": "proof"}
    kind = "open" if name == "extract_answer" else wanted.get(name)
    while True:
        thread, site = _thread_with(kind, rng, apart=apart, sure=rng.random() < 0.5 or name not in _CLASSIFIERS)
        if len(thread.key) > 1 or not crowded:
            break
    record = formats.record(thread, site, rng.randrange(1000))
    given: dict[str, Any] = {"question": question_text(record)}
    if name == "extract_problems":
        return name, given, listed(thread)
    known = _pick(thread, kind, rng, sure=name not in _CLASSIFIERS)
    given["problem"] = known.text
    if name == "extract_answer":
        given["discussion"] = discussion_text(record, _MAX_DISCUSSION)
        return name, given, found(thread, known)
    return name, given, reply(name, known)


def listed(thread: ForumThread) -> str:
    """The reply to the extraction."""
    return "\n".join(f"Problem {n}: {known.text}" for n, known in enumerate(thread.key, 1)) or "No problem"


def found(thread: ForumThread, known: Known) -> str:
    """The reply to the search for an answer.

    Where the thread poses several problems it thinks first: which labels the problems go by, each known by its last
    words, which of them is asked for, and the sentence that speaks of that one. Each step copies what stands above it;
    a tiny model learns that, but not to find the answer at one glance.
    """
    answer = f"Answer: \\boxed{{{known.answer}}}" if known.answer else "Answer: not found"
    if len(thread.key) == 1:
        return answer
    spoken = any(other.named for other in thread.key)
    lines = [
        f"{' '.join(other.text.split()[-_LAST_WORDS:])} = {other.label if spoken else number}"
        for number, other in enumerate(thread.key, 1)
    ]
    return "\n".join([*lines, f"asked: {lines[thread.key.index(known)]}", known.named or "nothing", answer])


def reply(name: str, known: Known) -> str:
    """The reply to any other step."""
    if name == "convert_proof":
        return f"Problem: {known.converted or 'none'}"
    classifier = _CLASSIFIERS[name]
    return classifier.yes if known.kind == classifier.reason else classifier.no


def texts(seed: int, questions: int = 6000) -> Iterator[str]:
    """What is asked and replied, for the tokenizer to be built on."""
    rng = random.Random(seed)
    yield from 100 * ["system", "user", "assistant", "final", "low", "No problem", "Answer: not found", "Problem: none"]
    for classifier in CLASSIFIERS:
        yield from 100 * [classifier.yes, classifier.no]
    for _ in range(questions):
        for _, given, answer in (
            question("extract_answer", rng, apart=False),
            question("extract_problems", rng, apart=False),
            judge_tasks.judgement(rng, apart=False),
            judge_tasks.pair(rng, apart=False),
        ):
            yield from (*given.values(), answer)


_CLASSIFIERS = {classifier.prompt: classifier for classifier in CLASSIFIERS}


def _thread_with(kind: str | None, rng: random.Random, *, apart: bool, sure: bool) -> tuple[ForumThread, Site]:
    """A thread that holds a problem of a kind; without `sure`, one that holds any problem."""
    while True:
        site = rng.choice(_SITES)
        if kind not in (None, "open") and sure:
            return threads.pose(rng, site, _around(str(kind), rng, apart=apart)), site
        thread = threads.draw(rng, site, apart=apart)
        if kind is None or any(not sure or known.kind == kind for known in thread.key):
            return thread, site


def _around(kind: str, rng: random.Random, *, apart: bool) -> list[posed.Posed]:
    """A problem of a kind, now and then with another one."""
    problems = [getattr(posed, kind)(rng, apart=apart)]
    if rng.random() < 0.3:
        problems.insert(rng.randint(0, 1), threads.any_problem(rng, apart=apart))
    return problems


def _pick(thread: ForumThread, kind: str | None, rng: random.Random, *, sure: bool) -> Known:
    of_kind = [known for known in thread.key if known.kind == kind]
    return rng.choice(of_kind if of_kind and (sure or rng.random() < 0.8) else thread.key)


def _task(name: str, *, crowded: bool = False) -> Task:
    def task(rng: random.Random, dialect: Harmony) -> Example:
        return rendered(dialect, question(name, rng, apart=False, crowded=crowded))

    return task


def rendered(dialect: Harmony, asked: Question) -> Example:
    """The question as `ask` of the programs renders it, with the right reply."""
    name, given, answer = asked
    return example(dialect, prompt(name).render(given), Mode.LOW, False, [Final(answer)])


_WEIGHTS = {"extract_problems": 3.0, "extract_answer": 2.0}
TASKS: dict[Task, float] = {_task(name): _WEIGHTS.get(name, 0.3) for name in PROMPTS}
TASKS[_task("extract_answer", crowded=True)] = 4.0  # which answer belongs to which problem is the hardest to learn
