"""What the tiny judge is taught: whether two answers are the same, and whether two texts state the same problem."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from factory.dialects.harmony import Harmony
from factory.prompts.loader import prompt
from factory.records import Mode
from jobs.demo.corpus import Example, Task, example
from jobs.demo.families import FAMILIES, Exercise
from jobs.demo.forum import posed
from jobs.demo.forum.answers import UNITS, Written, other_value, unfinished, written
from jobs.demo.forum.worded import worded
from jobs.demo.solutions import Final

PROMPTS = ("judge", "pair_check")
Question = tuple[str, dict[str, Any], str]


def judgement(rng: random.Random, *, apart: bool) -> Question:
    """Two answers to an exercise, in two notations; every second pair is the same answer."""
    exercise = posed.drawn(rng, apart=apart)
    problem = posed.open_problem(exercise, formulas=rng.random() < 0.5).text
    values = _values(exercise, rng)
    others = values if rng.random() < 0.5 else _changed(values, rng)
    unit = rng.choice(UNITS)
    one, two = written(values, rng, unit), written(others, rng, unit)
    if rng.random() < 0.5 and not isinstance(exercise.answer, Fraction):
        one = Written(exercise.latex, exercise.latex) if len(values) == 1 else one
    if rng.random() < 0.07:
        two = unfinished(others[0], rng)
    given = {"problem": problem, "expected": one.text, "predicted": two.text}
    said = compared(one.plain.split(", "), two.plain.split(", "))
    return "judge", given, f"{said}\nJudgement: {'Yes' if one.plain == two.plain else 'No'}"


def pair(rng: random.Random, *, apart: bool) -> Question:
    """Two problems: one in two wordings, two of one family, or any two."""
    family, numbers = _seeds(rng, apart=apart)
    first = worded(family, numbers, rng.getrandbits(32))
    case = rng.random()
    if case < 0.5:
        second = worded(family, numbers, rng.getrandbits(32))
    elif case < 0.85:
        second = worded(family, rng.getrandbits(32), rng.getrandbits(32))
    else:
        second = posed.drawn(rng, apart=apart)
    texts = [_styled(first, rng), _styled(second, rng)]
    facts = [_facts(first), _facts(second)]
    if rng.random() < 0.08:
        position = rng.randint(0, 1)
        kind = rng.choice([posed.proof, posed.binary, posed.invalid])
        texts[position], facts[position] = kind(rng, apart=apart).text, ["other"]
    given = {"first": texts[0], "second": texts[1]}
    said = compared(*facts)
    return "pair_check", given, f"{said}\nSame problem: {'Yes' if facts[0] == facts[1] else 'No'}"


def compared(first: list[str], second: list[str]) -> str:
    """The two lists item by item, up to the first difference: a small model compares best what stands together."""
    lines = []
    for one, other in zip_longest(first, second, fillvalue="none"):
        lines.append(f"{one} and {other}: {'Yes' if one == other else 'No'}.")
        if one != other:
            break
    return " ".join(lines)


def _seeds(rng: random.Random, *, apart: bool) -> tuple[str, int]:
    """Family and numbers of an exercise."""
    while True:
        family, numbers = rng.choice(list(FAMILIES)), rng.getrandbits(32)
        if worded(family, numbers, 0).held_back == apart:
            return family, numbers


def _values(exercise: Exercise, rng: random.Random) -> list[Fraction]:
    """The exercise's answer; now and then two or three values, as equations have them."""
    if rng.random() < 0.8:
        return [Fraction(exercise.answer)]
    return [Fraction(n) for n in rng.sample(range(-12, 30), rng.choice([2, 2, 3]))]


def _changed(values: list[Fraction], rng: random.Random) -> list[Fraction]:
    """Other values: one is wrong, one is missing, or one is too many."""
    changed = list(values)
    position = rng.randrange(len(values))
    if len(values) > 1 and rng.random() < 0.4:
        del changed[position]
    elif rng.random() < 0.1:
        changed.insert(position, other_value(changed[position], rng))
    else:
        changed[position] = other_value(changed[position], rng)
    return changed


def _styled(exercise: Exercise, rng: random.Random) -> str:
    text = posed.open_problem(exercise, formulas=rng.random() < 0.4).text
    if rng.random() < 0.15:
        text = text.replace(". ", ".\n  ")
    return f"Problem {rng.randint(1, 30)}.\n  {text}" if rng.random() < 0.1 else text


def _facts(exercise: Exercise) -> list[str]:
    """What is given and asked, whatever the words: the family and the parameters that its texts give."""
    key = exercise.key
    if key[0] == "mean":
        key = (key[0], *key[2:])
    elif key[0] == "from_area":
        key = (key[0], int(key[1]) * int(key[2]), key[1])
    return [exercise.family, *map(str, key)]


def _task(ask: Callable[..., Question]) -> Task:
    def task(rng: random.Random, dialect: Harmony) -> Example:
        name, given, answer = ask(rng, apart=False)
        return example(dialect, prompt(name).render(given), Mode.LOW, False, [Final(answer)])

    return task


TASKS: dict[Task, float] = {_task(judgement): 4.0, _task(pair): 1.5}
