"""Reads the curator's replies. One that does not keep to its prompt's form is `malformed`, with a stated default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from factory.verify import extract_answer, is_missing

T = TypeVar("T")

_HEADER = re.compile(r"^[ \t>*_#]*Problem[ \t]+(\d{1,3})[ \t]*[*_]*[ \t]*[:.][*_]*", re.I | re.M)
_NO_PROBLEM = re.compile(r"^\W*no problems?\W*$", re.I | re.M)
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_ANSWER = re.compile(r"answer[*_ \t]*:", re.I)
_CONVERTED = re.compile(r"^[ \t>*_#]*problem[*_ \t]*:[*_]*", re.I | re.M)
_NOT_FOUND = re.compile(r"\W*(?:text\W*)?(?:not found|no answer|unknown)\W*", re.I)


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What a reply says, and whether that is the default for one that could not be read."""

    value: T
    malformed: bool = False


def problems(text: str) -> Reply[list[str]]:
    """The problems that an extraction lists, in order. Default: none.

    Headings count from 1; one out of turn is part of the problem above it. A heading without a problem makes the reply
    malformed, as what is missing cannot be known.
    """
    starts: list[tuple[int, int]] = []
    for match in _HEADER.finditer(text):
        if int(match[1]) == len(starts) + 1:
            starts.append(match.span())
    if not starts:
        return Reply([], malformed=_NO_PROBLEM.search(text) is None)
    ends = [start for start, _ in starts[1:]] + [len(text)]
    found = [text[begin:end].strip() for (_, begin), end in zip(starts, ends, strict=True)]
    return Reply([problem for problem in found if problem], malformed=not all(found))


def says(text: str, yes: str, no: str) -> Reply[bool]:
    """Whether a classification begins with the word `yes`. Default, also where it begins with neither: no."""
    word = _FIRST_WORD.search(text)
    first = word[0].lower() if word else ""
    return Reply(first == yes.lower(), malformed=first not in (yes.lower(), no.lower()))


def answer(text: str) -> Reply[str | None]:
    """The box after the last "Answer:". Default, where there is neither a box nor "not found": no answer."""
    marks = list(_ANSWER.finditer(text))
    stated = text[marks[-1].end() :] if marks else ""
    boxed = extract_answer(stated)
    if boxed is not None:
        return Reply(None if is_missing(boxed) or _NOT_FOUND.fullmatch(boxed) else boxed)
    return Reply(None, malformed=_NOT_FOUND.match(stated) is None)


def converted(text: str) -> Reply[str | None]:
    """The problem after the last "Problem:". Default, if there is no such line: none."""
    marks = list(_CONVERTED.finditer(text))
    stated = text[marks[-1].end() :].strip() if marks else ""
    return Reply(None if re.fullmatch(r"\W*(?:none\W*)?", stated, re.I) else stated, malformed=not stated)
