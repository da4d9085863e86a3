"""Words that answers use, and rules for answers that are words: option letters, yes and no, names, "no solution"."""

# ruff: noqa: SIM905 - a table of words reads better as text
from __future__ import annotations

import re

from factory.verify.normalise import clean, plain_words

NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        (
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen twenty"
        ).split()
    )
} | {word: 10 * tens for tens, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), start=3)}
NUMBER_WORDS |= {word: value for value, word in enumerate("零一二三四五六七八九十")}

SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_PLACES = (
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
).split()
DENOMINATORS = (
    {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "hundredth": 100, "thousandth": 1000}
    | {word: value for value, word in enumerate(_PLACES, start=3)}
    | {word + "s": value for value, word in enumerate(_PLACES, start=3)}
    | {"hundredths": 100, "thousandths": 1000}
)
"""`three tenths`: words that divide the number before them."""
ORDINALS = {word: value for value, word in enumerate(["first", "second", *_PLACES], start=1)}

CONJUNCTIONS = {
    "and": "and", "or": "or", "as well as": "and", "where": "and", "for": "and", "with": "and", "for all": "and",
    "和": "and", "与": "and", "и": "and", "或": "or", "或者": "or", "или": "or",
    "for any": "and", "for some": "and", "when": "and", "if": "and", "respectively": "and",
}  # fmt: skip
"""Words that separate items, and whether all of them hold or one of them."""

CONDITIONS = frozenset({"if", "when", "where", "for", "with"})
"""Conjunctions whose second half says when the value before them holds."""

WORDS = frozenset(
    (
        "and or no yes not all any none the for if is are when with where such that true false odd even only both "
        "real numbers number integer integers positive negative non nonnegative than less more greater least most at "
        "does exist exists am pm dne of in on to be either neither except per"
    ).split()
)

NEGATIONS = frozenset("no not none never neither nor non false cannot without un".split())
QUANTIFIERS = (
    frozenset("half dozen single pair double triple twice once hundred thousand million third quarter couple".split())
    | ORDINALS.keys()
    | NUMBER_WORDS.keys()
)
"""Words that may mean a number."""

_STATEMENTS = frozenset(
    "not exist exists does doesnt do no yes true false none never dne undefined impossible solution solutions".split()
)
_BOUND = re.compile(r"(?:at (?:least|most)|(?:more|less|greater|fewer) than|not)\b(?! by\b)")
_SOME_OPTIONS = re.compile(r"[a-j](?: (?:and|or) [a-j])+")


def says_another_kind(words: str) -> bool:
    """Whether words were read, and mean no single value: a statement, a bound (`at least 3`), several options."""
    return bool(_BOUND.match(words) or _SOME_OPTIONS.fullmatch(words)) or set(words.split()) <= _STATEMENTS


_SAME: tuple[frozenset[str], ...] = (
    frozenset({"impossible", "not possible", "it is impossible", "it is not possible"}),
    frozenset({"convergent", "converges", "it converges"}), frozenset({"divergent", "diverges", "it diverges"}),
    frozenset({"right triangle", "right angled triangle"}), frozenset({"nonnegative", "non negative"}),
    frozenset({"nonpositive", "non positive"}), frozenset({"nonzero", "non zero"}),
    frozenset(
        {
            "no solution", "no solutions", "none", "no real solution", "no real solutions", "there is no solution",
            "there are no solutions", "no such solution", "no solution exists", "no solutions exist", "empty set",
            "the empty set", "\\emptyset", "{}", "\\{\\}", "has no solution", "no answer", "无解", "нет решений",
        }
    ),
    frozenset(
        {"dne", "does not exist", "doesnt exist", "not exist", "limit does not exist",
         "the limit does not exist", "不存在",
         "не существует"}
    ),
    frozenset({"infinitely many", "infinite", "infinitely many solutions", "there are infinitely many",
               "infinite solutions", "infinite number of solutions", "infinite number"}),
    frozenset(
        {
            "all real numbers", "all reals", "any real number", "the set of all real numbers", "\\mathbb{r}",
            "real numbers",
            "(-\\infty \\infty)", "x\\in\\mathbb{r}", "x\\in \\mathbb{r}", "all x", "all real x", "(-\\infty +\\infty)",
        }
    ),
)  # fmt: skip

_OPTION = re.compile(
    r"^\(?\s*(?:\\text\s*\{\s*)?(?:(?:option|choice|answer)\s*)?\(?([A-J])\)?\s*\}?\s*\)?[.:]?$", re.IGNORECASE
)
_OPTION_AND_CONTENT = re.compile(r"^(?:\\text\s*\{\s*)?\(?([A-J])(?:[).:]|\s+[-–—])\s*\}?\s*(?:\\quad)?\s*(\S.*)$")


def same_words(gold: str, prediction: str) -> bool:
    """Whether two answers are the same words, or two usual ways to say one thing."""
    one, other = plain_words(gold), plain_words(prediction)
    if any(one in group and other in group for group in _SAME):
        return True
    if not (is_wordy(one) and is_wordy(other)):
        return False
    return _ARTICLE.sub("", one) == _ARTICLE.sub("", other)


def is_wordy(words: str) -> bool:
    """Whether an answer (as `plain_words` writes it) is language: a word of three letters or more and no formula."""
    return bool(_REAL_WORD.search(words)) and not _FORMULA.search(words)


_REAL_WORD = re.compile(r"[a-z]{3}")
_FORMULA = re.compile(r"[\\+*/^=<>_|!]")
_ARTICLE = re.compile(r"^(?:the|an?|it is|it|is|there are|there is)\s+")


def option_letter(answer: str) -> str | None:
    """The letter of an answer that is an option of a multiple-choice problem: `(B)`, `B`, `\\text{B}`, `Option B`."""
    match = _OPTION.match(clean(answer))
    return match.group(1) if match else None


def option_letters(answer: str) -> str | None:
    """The letters of several options, in order and each once: `A, C`, `(A)(C)`, `A and C`; or the bare run `AC`."""
    text = _TEXT.sub(r"\1", clean(answer))
    letters = _LETTER.findall(text)
    if len(letters) < 2 or letters != sorted(set(letters)) or not _SEVERAL.fullmatch(text):
        return None
    return "".join(letters)


_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_LETTER = re.compile(r"[A-J]")
_SEVERAL = re.compile(r"(?:[A-J]|\([A-J]\))(?:(?:\s*[,;]\s*|\s*(?:and|和|与|и|&)\s*|\s*)(?:[A-J]|\([A-J]\)))*")


def option_and_content(answer: str) -> tuple[str, str] | None:
    """`(B) 42` as ("B", "42"); None if the content is another option, or says that this one is not it."""
    match = _OPTION_AND_CONTENT.match(clean(answer))
    if match is None or _NO_CONTENT.search(match.group(2)):
        return None
    return match.group(1), match.group(2).rstrip("} ")


_NO_CONTENT = re.compile(
    r"^[,;]|\(\s*[A-J]\s*\)|(?<![A-Za-z])[A-J]\)|^(?:and|or)\b"
    r"|\b(?:wrong|false|incorrect|not|isn't|untrue|maybe|perhaps|or|impossible)\b",
    re.IGNORECASE,
)


def is_anagram(gold: str, prediction: str) -> bool:
    """Whether two answers are one run of three letters or more in different orders: `cat` and `act` are two words.

    Neighbours in the alphabet (`abc` and `bca`) are factors of one product.
    """
    one, other = clean(gold), clean(prediction)
    if one == other or sorted(one) != sorted(other) or not _LETTERS.fullmatch(one):
        return False
    letters = sorted(set(one.lower()))
    return ord(letters[-1]) - ord(letters[0]) != len(letters) - 1


_LETTERS = re.compile(r"[A-Z]?[a-z]{2,}")
