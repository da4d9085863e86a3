"""Where two nearly equal texts differ: does the difference touch what is given or asked, or only how it is told?

A changed number, formula or quantity asked for makes another problem of the same text (MATH-Perturb is made of such
pairs); a source line, an extra half sentence or another word does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from importlib.resources import files

import yaml

_TABLES = yaml.safe_load((files(__package__) / "opposites.yaml").read_text(encoding="utf-8"))
_SIDES: dict[str, list[tuple[int, int]]] = {}
for _group, _classes in enumerate(_TABLES["opposites"]):
    for _side, _words in enumerate(_classes):
        for _word in _words:
            _SIDES.setdefault(_word, []).append((_group, _side))
_NEGATIONS = frozenset(_TABLES["negations"])
_ORDINALS = frozenset(_TABLES["ordinals"])
_LARGEST = 4_000_000
"""Pairs of words up to which two texts are aligned, about a second; beyond, a copy inside a book stays a copy."""


def meaning_changes(one: Sequence[str], two: Sequence[str]) -> int:
    """Places where the words of two texts, aligned, differ in what is given or asked.

    Counted are a number that stands for another number, symbols (numbers, operators, one-letter variables) put into or
    taken out of a formula, a variable in the place of another that both texts know, a word in the place of its opposite
    (sum and product, least and greatest), a "not" and a lone ordinal. Not counted are variables under other names, and
    anything else that comes with words.
    """
    if len(one) * len(two) > _LARGEST:
        return 0
    matches = SequenceMatcher(None, one, two, autojunk=False).get_opcodes()
    kept = _kept(one, two, matches)
    changes = 0
    for kind, i1, i2, j1, j2 in matches:
        if kind == "replace":
            changes += _replaced(one[i1:i2], two[j1:j2], kept)
        elif kind == "delete":
            changes += _put_in(one, i1, i2)
        elif kind == "insert":
            changes += _put_in(two, j1, j2)
    return changes


def _kept(one: Sequence[str], two: Sequence[str], matches: Iterable[tuple[str, int, int, int, int]]) -> set[str]:
    """Letters that stand for themselves in both texts more often than for another: not those of a renaming."""
    stays, leaves = Counter[str](), Counter[str]()
    for kind, i1, i2, j1, j2 in matches:
        if kind == "equal":
            stays.update(word for word in one[i1:i2] if len(word) == 1)
        else:
            leaves.update(word for word in (*one[i1:i2], *two[j1:j2]) if len(word) == 1)
    return {letter for letter, n in stays.items() if n > leaves[letter]}


def _replaced(old: Sequence[str], new: Sequence[str], kept: set[str]) -> bool:
    gone, come = _numbers(old) - _numbers(new), _numbers(new) - _numbers(old)
    if (
        (gone and come)
        or _opposite(old, new)
        or bool(_NEGATIONS.intersection(old)) != bool(_NEGATIONS.intersection(new))
    ):
        return True
    if _spread(old) == "".join(new) or _spread(new) == "".join(old):  # x + y and xy
        return True
    if len(old) == len(new) and any(a != b and {a, b} <= kept for a, b in zip(old, new, strict=True)):
        return True
    if not all(map(_symbol, (*old, *new))):
        return False
    return [w for w in old if not w.isalpha()] != [w for w in new if not w.isalpha()]


def _put_in(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a "not" or a lone ordinal was put in, or symbols alone with a symbol before or behind them."""
    come = words[start:end]
    if _NEGATIONS.intersection(come) or (len(come) == 1 and come[0] in _ORDINALS):
        return True
    beside = [words[i] for i in (start - 1, end) if 0 <= i < len(words)]
    return all(map(_symbol, come)) and any(map(_symbol, beside))


def _opposite(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether the two speak of the same group of opposites and share no side of it."""
    before, after = ({side for word in words for side in _SIDES.get(word, ())} for words in (old, new))
    groups = {group for group, _ in before} & {group for group, _ in after}
    return any({s for g, s in before if g == group}.isdisjoint(s for g, s in after if g == group) for group in groups)


def _spread(words: Sequence[str]) -> str | None:
    """The letters of a formula of letters and signs, as if the signs were not there."""
    letters = [word for word in words if word.isalpha()]
    signs = [word for word in words if word in ("+", "-", "/", "^")]
    if len(letters) < 2 or not signs or len(letters) + len(signs) < len(words) or any(len(w) > 1 for w in letters):
        return None
    return "".join(letters)


def _numbers(words: Sequence[str]) -> set[str]:
    return {word for word in words if word[0].isdigit()}


def _symbol(word: str) -> bool:
    return not word[0].isalpha() or (len(word) == 1 and word not in ("a", "i"))
