"""Is this prediction the gold answer? A ladder of rules, from identical text to symbolic algebra.

Each rung decides or passes on: same normal form, same option letter, same words, same tree or value under the recipe's
policy (own parser and evaluator), other readings of a comma, math-verify for notation that the parser does not know.
Pure and in process: nothing here can be interrupted. `Checker` runs it in processes that can.
"""

from __future__ import annotations

import re
from functools import lru_cache

from factory.recipe import EquivalencePolicy
from factory.verify.compare import compare
from factory.verify.extract import answer_of
from factory.verify.grammar.lexer import Comma, ParseError
from factory.verify.grammar.parser import parse
from factory.verify.nodes import Node, Words
from factory.verify.normalise import clean, normal_form, plain_words, unwrapped
from factory.verify.phrases import as_formula
from factory.verify.result import Equivalence, undecided
from factory.verify.symbolic import compare_symbolically
from factory.verify.words import is_anagram, is_wordy, option_and_content, option_letter, option_letters, same_words

MAX_CHARS = 100_000
"""Longer texts are compared as they stand: no answer needs more, and patterns over them are not free."""
MAX_ANSWER_CHARS = 4_000
"""Longest answer that is parsed."""
MAX_FORMULA_CHARS = 500
"""Longest answer that goes to math-verify."""
Formulas = tuple[str, str]
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}(?![A-Za-z])|\\text")
"""Words: math-verify would read them as products of letters, or search them for numbers."""
_DEFAULT = EquivalencePolicy()


def equivalent(gold: str, prediction: str, policy: EquivalencePolicy = _DEFAULT) -> Equivalence:
    """Whether `prediction`, an answer or running text that holds one, is the answer `gold`.

    Never raises for what the texts hold; `equal` is None if no rule could decide. Time and memory are not bounded
    here (a tower of powers is refused, an adversary may find more): use `Checker` for text that a model wrote.
    """
    verdict, formulas = by_rules(gold, prediction, policy)
    return verdict if formulas is None else by_algebra(formulas, verdict)


def by_rules(gold: str, prediction: str, policy: EquivalencePolicy = _DEFAULT) -> tuple[Equivalence, Formulas | None]:
    """The rungs of our own, and the pair of formulas that is left for `by_algebra`; None if none is."""
    sight = equivalent_at_sight(gold, prediction, policy)
    if sight is not None:
        return sight, None
    if max(len(gold), len(prediction)) > MAX_CHARS:
        return undecided("too_long"), None
    try:
        one, other = answer_of(gold, policy.boxes), answer_of(prediction, policy.boxes)
        if one is None or other is None:
            return _without_answer(gold, prediction), None
        return _ladder(one, other, policy)
    except RecursionError:
        return undecided("nested too deeply"), None


def by_algebra(formulas: Formulas, before: Equivalence) -> Equivalence:
    """The last rung, math-verify; what it cannot decide either keeps the verdict `before`."""
    verdict = compare_symbolically(*formulas)
    return verdict if verdict.decided else before


def equivalent_at_sight(gold: str, prediction: str, policy: EquivalencePolicy = _DEFAULT) -> Equivalence | None:
    """The verdicts that cost nothing: identical text, nothing predicted, two integers; None if more is needed."""
    one, other = gold.strip(), prediction.strip()
    if not other or not one:
        return Equivalence(False, "missing")
    if one == other:
        return Equivalence(True, "identical")
    if max(len(one), len(other)) <= MAX_CHARS and _is_integer(one) and _is_integer(other):
        return Equivalence(_digits(one) == _digits(other), "number")
    return None


@lru_cache(maxsize=65_536)
def extracted(text: str, boxes: str = "adjacent") -> str:
    """The answer that a comparison takes from `text`, in normal form; the text as it stands where it states none."""
    answer = answer_of(text, "last" if boxes == "last" else "adjacent")
    return text.strip() if answer is None else normal_form(answer)


def normal_pair(gold: str, prediction: str, policy: EquivalencePolicy = _DEFAULT) -> tuple[str, str]:
    """The two answers in normal form: what a verdict may be cached by."""
    one, other = (extracted(t, policy.boxes) if len(t) <= MAX_ANSWER_CHARS else t for t in (gold, prediction))
    return one, other


def _without_answer(gold: str, prediction: str) -> Equivalence:
    """Prose that states no single answer: only its words can be compared."""
    if normal_form(gold) == normal_form(prediction) or same_words(gold, prediction):
        return Equivalence(True, "words")
    return undecided("no single answer is stated")


def _ladder(gold: str, prediction: str, policy: EquivalencePolicy) -> tuple[Equivalence, Formulas | None]:
    one, other = normal_form(gold), normal_form(prediction)
    if (verdict := _by_text(gold, prediction, one, other)) is not None:
        return verdict, None
    verdict = _parsed(clean(gold), clean(prediction), policy)
    if verdict.decided or not verdict.detail.startswith(("unreadable", "relation")):
        return verdict, None
    if max(len(one), len(other)) > MAX_FORMULA_CHARS or any(_PROSE.search(side) for side in (one, other)):
        return verdict, None
    return verdict, (clean(gold), clean(prediction))


def _by_text(gold: str, prediction: str, one: str, other: str) -> Equivalence | None:
    """The rungs that read no mathematics; `one` and `other` are the normal forms."""
    if not prediction:
        return Equivalence(False, "missing")
    if one == other:
        return Equivalence(bool(one), "normal_form")
    if max(len(one), len(other)) > MAX_ANSWER_CHARS:
        if _is_integer(one) and _is_integer(other):
            return Equivalence(_digits(one) == _digits(other), "number")
        return undecided("too_long")
    if (options := _options(gold, prediction)) is not None:
        return options
    if same_words(gold, prediction) or ("\\text" in one + other and unwrapped(one) == unwrapped(other)):
        return Equivalence(True, "words")
    return undecided("letters in another order") if is_anagram(gold, prediction) else None


def _options(gold: str, prediction: str) -> Equivalence | None:
    """Multiple choice: equal letters, also where one side adds the option's content."""
    letters = option_letter(gold), option_letter(prediction)
    if letters[0] and letters[1]:
        # a letter in brackets or words is an option in either case; a bare x and X are two variables
        bare = [len(clean(side).strip()) == 1 for side in (gold, prediction)]
        same = letters[0] == letters[1] if all(bare) else letters[0].upper() == letters[1].upper()
        return Equivalence(same, "option")
    several = option_letters(gold), option_letters(prediction)
    if several[0] and several[0] == several[1]:
        return Equivalence(True, "option")
    full = option_and_content(gold), option_and_content(prediction)
    if letters[0] and full[1]:
        return Equivalence(letters[0].upper() == full[1][0], "option")
    if letters[1] and full[0]:
        return Equivalence(letters[1].upper() == full[0][0], "option")
    return None


def _parsed(gold: str, prediction: str, policy: EquivalencePolicy) -> Equivalence:
    """Compare as trees; a comma that can be read in two ways is tried in the second one as well."""
    verdict = _read(gold, prediction, policy, "thousands", "thousands")
    if verdict.equal:
        return verdict
    readings: list[tuple[Comma, Comma]] = [("list", "list"), ("list", "thousands"), ("thousands", "list")]
    if policy.decimal_comma:
        readings += [("decimal", "thousands"), ("thousands", "decimal")]
    for readings_of_two in readings:
        if not all(
            _has_reading(side, reading) for side, reading in zip((gold, prediction), readings_of_two, strict=True)
        ):
            continue
        again = _read(gold, prediction, policy, *readings_of_two)
        if again.equal:
            return Equivalence(True, again.method, "comma read as " + "/".join(readings_of_two))
    return verdict


def _read(gold: str, prediction: str, policy: EquivalencePolicy, one: Comma, other: Comma) -> Equivalence:
    sides: list[Node] = []
    for answer, comma in ((gold, one), (prediction, other)):
        text = as_formula(answer) or answer
        try:
            sides.append(parse(text, comma))
        except ParseError as reason:
            if is_wordy(plain_words(text)):
                sides.append(Words(plain_words(text)))
                continue
            return undecided(f"unreadable: {reason}")
    if isinstance(sides[0], Words) != isinstance(sides[1], Words):  # "red" and "blue": no product of letters
        texts = [plain_words(answer) for answer in (gold, prediction)]
        sides = [Words(text) if _is_phrase(text) else side for text, side in zip(texts, sides, strict=True)]
    return compare(sides[0], sides[1], policy)


def _is_phrase(text: str) -> bool:
    return is_wordy(text) and not re.search(r"\d", text) and as_formula(text) is None


def _has_reading(text: str, reading: Comma) -> bool:
    """Whether a comma in `text` may be meant this way, so that a second reading is worth a try."""
    if reading == "thousands":
        return True
    if reading == "list":
        return bool(re.search(r"(?<!\d)\d{3}(?:,\d{3})+(?!\d)", text))  # 100,200,300, but not 1,234
    # one comma between digits that cannot group thousands: "2,74", "0,5", not "1,234"
    match = re.fullmatch(r"[^\d,(\[]*(\d+),(\d+)[^\d,)\]]*", text)
    return match is not None and (len(match.group(2)) != 3 or match.group(1) == "0")


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isascii() and text.removeprefix("-").isdigit()


def _digits(text: str) -> str:
    sign = "-" if text.startswith("-") else ""
    digits = text.removeprefix("-").lstrip("0")
    return sign + digits if digits else "0"
