"""Every exercise is what it says: its working, its check and its Python agree, computed independently of each other."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from jobs.demo.cells import Cells
from jobs.demo.corpus import draw
from jobs.demo.families import FAMILIES
from jobs.demo.families.base import Exercise
from jobs.demo.scratchpad import Derailed, Scratchpad

PER_FAMILY = 150


def drawn(name: str) -> list[Exercise]:
    rng = random.Random(name)
    return [FAMILIES[name](rng) for _ in range(PER_FAMILY)]


def printed(*cells: str) -> str:
    session = Cells()
    return "".join(session.run(cell).stdout for cell in cells).strip()


def test_there_are_at_least_ten_families() -> None:
    assert len(FAMILIES) >= 10


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_working_python_and_reference_agree(name: str) -> None:
    for exercise in drawn(name):
        for detailed in (False, True):
            assert exercise.solve(Scratchpad(detailed=detailed)) == exercise.answer, exercise.text
        assert exercise.check(Scratchpad(detailed=True), exercise.answer), exercise.text
        code = exercise.code
        assert printed(code.setup, f"print({code.result})") == str(exercise.answer), exercise.text
        assert printed(code.setup, f"x = {code.result}", f"print({code.verify})") == "True", exercise.text


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_sympy_agrees(name: str) -> None:
    cells = {e.code.sympy: e for e in drawn(name)[:12] if e.code.sympy}
    for cell, exercise in cells.items():
        assert printed(str(cell)) == str(exercise.answer), exercise.text


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_wrong_value_fails_the_check(name: str) -> None:
    for exercise in drawn(name):
        for wrong in (exercise.answer + 1, exercise.answer + 7, exercise.answer * 2 + 1):
            try:
                holds = exercise.check(Scratchpad(detailed=False), wrong)
            except Derailed:
                holds = False
            assert not holds, (exercise.text, wrong)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_several_phrasings_with_all_their_numbers(name: str) -> None:
    exercises = drawn(name)
    assert len({"".join(c for c in e.text if c.isalpha()) for e in exercises}) >= 3
    assert all("{" not in e.text.replace("\\frac{", "").replace("}{", "") for e in exercises)


def test_equal_parameters_mean_equal_answers() -> None:
    answers = defaultdict(set)
    for name in FAMILIES:
        for exercise in drawn(name):
            answers[name, exercise.key].add(exercise.answer)
    assert all(len(values) == 1 for values in answers.values())


def test_the_held_back_part_is_apart_and_every_family_has_one() -> None:
    rng = random.Random(3)
    kept = [draw(rng, held_back=True) for _ in range(400)]
    trained = [draw(rng, held_back=False) for _ in range(4000)]
    assert {e.family for e in kept} == set(FAMILIES)
    assert not {(e.family, e.key) for e in kept} & {(e.family, e.key) for e in trained}


def test_drawing_is_seeded() -> None:
    first, second = ([draw(random.Random(5), held_back=False).text for _ in range(20)] for _ in range(2))
    assert first == second


def test_problems_are_within_reach_and_some_are_easy() -> None:
    sizes = [abs(e.answer.numerator) for name in FAMILIES for e in drawn(name)]
    assert max(sizes) < 2000
    assert sum(size < 20 for size in sizes) > len(sizes) / 5
