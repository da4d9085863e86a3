"""Where two nearly equal texts differ: does the difference touch what is computed, or only how it is told?

A changed number or formula makes another problem of the same text (MATH-Perturb is made of such pairs); a source line,
an extra half sentence or another word does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher


def formula_changes(one: Sequence[str], two: Sequence[str]) -> int:
    """Places where the words of two texts, aligned, differ in a number or inside a formula.

    Counted are a number that stands for another number, and symbols (numbers, operators, one-letter variables) put into
    or taken out of a formula. Not counted are variables under other names, and anything that comes with words.
    """
    changes = 0
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "replace":
            changes += _replaced(one[i1:i2], two[j1:j2])
        elif kind == "delete":
            changes += _put_in(one, i1, i2)
        elif kind == "insert":
            changes += _put_in(two, j1, j2)
    return changes


def _replaced(old: Sequence[str], new: Sequence[str]) -> bool:
    gone, come = _numbers(old) - _numbers(new), _numbers(new) - _numbers(old)
    if gone and come:
        return True
    if not all(map(_symbol, (*old, *new))):
        return False
    return [w for w in old if not w.isalpha()] != [w for w in new if not w.isalpha()]


def _put_in(words: Sequence[str], start: int, end: int) -> bool:
    """Whether symbols alone were put in, with a symbol before or behind them."""
    beside = [words[i] for i in (start - 1, end) if 0 <= i < len(words)]
    return all(map(_symbol, words[start:end])) and any(map(_symbol, beside))


def _numbers(words: Sequence[str]) -> set[str]:
    return {word for word in words if word[0].isdigit()}


def _symbol(word: str) -> bool:
    return not word[0].isalpha() or (len(word) == 1 and word not in ("a", "i"))
