"""The working adds up line by line, and a planted slip stays where it was planted."""

from __future__ import annotations

import random
import re

import pytest

from jobs.demo.scratchpad import Derailed, Scratchpad

EQUATION = re.compile(r"(-?\d+(?: [-+*/] -?\d+)+) = (-?\d+)")


def text(pad: Scratchpad) -> str:
    return "".join(piece.text for piece in pad.pieces)


@pytest.mark.parametrize("detailed", [False, True])
def test_every_line_that_is_written_is_true(detailed: bool) -> None:
    rng = random.Random(0)
    for _ in range(300):
        a, b = rng.randint(0, 999), rng.randint(1, 99)
        pad = Scratchpad(detailed=detailed)
        assert pad.add(a, b) == a + b
        assert pad.sub(a, b) == a - b
        assert pad.mul(a, b) == a * b
        assert pad.div(a * b, b) == a
        assert pad.mod(a, b) == a % b
        equations = EQUATION.findall(text(pad))
        assert len(equations) >= 4
        assert all(eval(left) == int(right) for left, right in equations), text(pad)


def test_place_values_are_written_out() -> None:
    pad = Scratchpad(detailed=True)
    pad.mul(47, 8)
    assert text(pad) == "47 * 8: 40 * 8 = 320, 7 * 8 = 56, 320 + 56 = 376\n"


def test_division_that_does_not_come_out_derails() -> None:
    with pytest.raises(Derailed):
        Scratchpad(detailed=True).div(7, 2)
    with pytest.raises(Derailed):
        Scratchpad(detailed=True).div(7, 0)


def test_a_slip_changes_one_result_and_is_not_learnt() -> None:
    pad = Scratchpad(detailed=True, slip=(1, 10))
    assert pad.add(20, 22) == 42
    assert pad.mul(47, 8) == 386
    assert pad.add(386, 1) == 387
    assert [piece.text for piece in pad.pieces if not piece.learn] == ["386"]
    assert "320 + 56 = 386\n" in text(pad)
