"""The replies of a thread: hints, answers, wrong answers, corrections; and which answer a careful reader takes away."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from fractions import Fraction

from jobs.demo.families import latex
from jobs.demo.forum.answers import TAILS
from jobs.demo.forum.chatter import say
from jobs.demo.forum.posed import Posed

_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}")


@dataclass(slots=True)
class Reply:
    """One reply. AoPS knows neither scores nor acceptance, and comments there are posts of their own."""

    text: str
    score: int = 0
    accepted: bool = False
    comments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Discussion:
    """What is said below a post, and what its author says of the answer.

    `answers`: one for each problem, or None. `named`: the sentences that give them, each by its problem's label.
    """

    answers: list[str | None]
    named: dict[str, str] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    own: str = ""


def discussion(rng: random.Random, site: str, problems: list[Posed], labels: list[str]) -> Discussion:
    """Replies to a post that poses `problems`; `labels` is what its readers call them."""
    if len(problems) > 1:
        said = _on_several(rng, problems, labels)
    elif problems[0].answer is None:
        said = Discussion([None], replies=_hints(rng, 2))
    else:
        said = _on_one(rng, site, problems[0])
    if site == "stackexchange" and rng.random() < 0.25:
        said.comments.append(say(rng, "hint"))
    return said


def _on_one(rng: random.Random, site: str, problem: Posed) -> Discussion:
    plain, right = _written(rng, str(problem.answer))
    _, wrong = _written(rng, _other(rng, str(problem.answer)))
    full = _with_reason(rng, problem, say(rng, "answer", A=right))
    case = rng.choices(
        ["right", "silence", "hints", "corrected", "majority", "accepted", "own", "wrong"], [32, 8, 14, 14, 12, 9, 7, 4]
    )[0]
    if case in ("silence", "hints"):
        return Discussion([None], replies=_hints(rng, 3) if case == "hints" else [])
    if case == "own":
        return Discussion([plain], replies=_hints(rng, 2), own=say(rng, "own_result", A=right))
    if case == "wrong":
        bare, shown = _written(rng, _other(rng, str(problem.answer)))
        return Discussion([bare], replies=[Reply(say(rng, "answer", "guess", A=shown), score=rng.randint(0, 3))])
    mistaken = say(rng, "answer", "guess", A=wrong)
    if case == "right":
        replies = [Reply(full, score=rng.randint(1, 12), accepted=rng.random() < 0.5), *_hints(rng, 1)]
        if rng.random() < 0.3:
            replies.append(Reply(say(rng, "agreement", A=right), score=rng.randint(0, 4)))
    elif case == "corrected":
        replies = _corrected(rng, site, mistaken, say(rng, "correction", A=right))
        if rng.random() < 0.4:
            replies.append(Reply(say(rng, "agreement", A=right)))
    elif case == "accepted" and site == "stackexchange":
        replies = [Reply(full, score=rng.randint(1, 9), accepted=True), Reply(mistaken, score=rng.randint(-2, 9))]
    else:
        replies = [Reply(full, score=rng.randint(1, 9)), Reply(mistaken, score=rng.randint(-2, 9))]
        rng.shuffle(replies)
        replies.append(Reply(say(rng, "agreement", A=right), score=rng.randint(0, 2)))
    return Discussion([plain], replies=replies)


def _corrected(rng: random.Random, site: str, mistaken: str, correction: str) -> list[Reply]:
    """A wrong reply and its correction: a comment, an edit of the reply itself, or the next post."""
    form = rng.choice(["comment", "edit"] if site == "stackexchange" else ["edit", "post"])
    if form == "edit":
        return [Reply(f"{mistaken} {correction}", score=rng.randint(0, 5))]
    if form == "comment":
        return [Reply(mistaken, score=rng.randint(0, 5), comments=[correction])]
    return [Reply(mistaken), Reply(correction)]


def _on_several(rng: random.Random, problems: list[Posed], labels: list[str]) -> Discussion:
    """Replies that answer all problems, or some, each under its label."""
    answers: list[str | None] = [None] * len(problems)
    named: dict[str, str] = {}
    for number, (problem, label) in enumerate(zip(problems, labels, strict=True)):
        if problem.answer is not None and rng.random() < 0.8:
            answers[number], shown = _written(rng, problem.answer)
            named[label] = say(rng, "with_label", A=shown, L=label)
    if not named:
        return Discussion(answers, replies=_hints(rng, 2))
    texts = [" ".join(named.values())] if rng.random() < 0.6 else named.values()
    replies = [Reply(text, score=rng.randint(0, 8)) for text in texts]
    return Discussion(answers, named, [*replies, *(_hints(rng, 1) if rng.random() < 0.5 else [])])


def _hints(rng: random.Random, most: int) -> list[Reply]:
    return [Reply(say(rng, "hint"), score=rng.randint(-1, 6)) for _ in range(rng.randint(0, most))]


def _with_reason(rng: random.Random, problem: Posed, answer: str) -> str:
    if rng.random() < 0.4:
        return answer
    working = problem.working if len(problem.working) < 120 else ""
    return f"{say(rng, 'reason', W=working)} {answer}"


def _written(rng: random.Random, answer: str) -> tuple[str, str]:
    """An answer as a reply writes it: what stands there, and the same with dollar signs or in a box."""
    bare = _FRACTION.sub(r"\1\2/\3", answer) if rng.random() < 0.4 else answer
    if rng.random() < 0.08:
        tail = rng.choice(TAILS)
        if "\\" not in bare + tail:
            return f"{bare} {tail}", f"{bare} {tail}"
        bare = f"{bare} {tail}" if "\\" in tail else bare
    formula = [f"${bare}$", f"$\\boxed{{{bare}}}$"]
    return bare, rng.choice(formula if "\\" in bare else [bare, bare, *formula])


def _other(rng: random.Random, answer: str) -> str:
    """An answer that is wrong, of the same form."""
    fraction = _FRACTION.fullmatch(answer)
    value = Fraction(int(fraction[2]), int(fraction[3])) if fraction else Fraction(answer)
    while True:
        other = value * 2 if rng.random() < 0.2 else value + rng.choice([-10, -3, -2, -1, 1, 2, 3, 5, 10, 100])
        other = other / rng.choice([2, 3]) if fraction and rng.random() < 0.5 else other
        if other > 0 and other != value:
            return latex(other)
