"""Find the answer inside what a model wrote. Knows text only: no mathematics, no policy but how to read boxes.

The released convention is the content of the last balanced `\\boxed{}`. Text without a box is read by documented
patterns: the last "answer is ...", else the last formula, else the last number (`running_answer`).
"""

from __future__ import annotations

import re
from typing import Literal

_BOX = re.compile(r"\\{1,2}(?:boxed|fbox|framebox)(?![A-Za-z])\s*")
_DAMAGED_BOX = re.compile(r"\x08oxed(?=\s*\{)")  # "\b" of "\boxed", read as a JSON escape
_CONNECTOR_WORDS = {"and", "or", "for", "part", "with", "respectively", "papers", "also"}
_MAX_BOX_GAP = 60


def extract_answer(text: str | None) -> str | None:
    """The content of the last balanced `\\boxed{}` or `\\fbox{}` in `text`, stripped; None where there is none.

    Braces nest; escaped braces do not count. `\\boxed 7` takes the next token, as TeX does. A box cut off by the end of
    the text is not balanced, so the box before it counts. An empty box is an answer that is missing: None.
    """
    found = boxes(text or "")
    return (found[-1][2] or None) if found else None


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Every balanced outermost box as (start, end, content), in order of appearance."""
    text = _DAMAGED_BOX.sub(lambda match: "\\boxed", text)
    found: list[tuple[int, int, str]] = []
    ends = _closings(text) if _BOX.search(text) else {}
    position = 0
    while match := _BOX.search(text, position):
        if text.startswith("{", match.end()):
            end = ends.get(match.end())
        else:
            token = _TOKEN.match(text, match.end())
            end = token.end() if token else None
        if end is None:
            position = match.end()
            continue
        content = text[match.end() : end]
        content = content[1:-1] if content.startswith("{") else content
        found.append((match.start(), end, _unnest(content)))
        position = end
    return found


def answer_of(text: str, joined: Literal["adjacent", "last"] = "adjacent") -> str | None:
    """The answer in `text`, whatever form it has: box, boxes that form one list, running text, or the bare answer.

    None where the text is prose that states no single answer.
    """
    found = boxes(text)
    if found and (final := _final_statement(text[found[-1][1] :])) is not None:
        return final
    if found:
        contents = [found[-1][2]]
        if joined == "adjacent":
            for before, after in zip(reversed(found[:-1]), reversed(found[1:]), strict=True):
                if not _continues(text[before[1] : after[0]]):
                    break
                contents.append(before[2])
        unique = list(dict.fromkeys(reversed(contents)))
        prefix = _name_before(text, found[-1][0]) if len(unique) == 1 else ""
        return ", ".join(unique) if len(unique) > 1 else prefix + unique[0] + _unit_after(text, found[-1][1])
    return running_answer(text) if is_running_text(text) else text.strip()


_FINAL = re.compile(r"final answer(?::|\s+is)", re.IGNORECASE)


def _final_statement(after_box: str) -> str | None:
    """A "final answer is ..." behind the last box replaces it, as the few-shot format of Minerva ends its solutions."""
    return running_answer(after_box) if _FINAL.search(after_box) else None


def is_running_text(text: str) -> bool:
    """Whether `text` is prose that states an answer, rather than the answer itself."""
    if _STATEMENT.search(text) or "####" in text:
        return True
    prose = _WORD.findall(_MATH.sub(" ", _TEXT_COMMAND.sub(" ", text)))
    return bool(prose) and bool(_CUE.search(text)) and bool(_NUMBER.search(text) or _MATH.search(text))


def running_answer(text: str) -> str:
    """The answer that prose states, by the first rule that finds one; the text itself where none does.

    1. after the last "answer is", "answer:" or `####`; 2. in the last sentence that holds a formula or a number: the
    last formula between math delimiters, or number after a word such as "is", or (in prose of twelve words or more)
    the last number. A short text with a condition ("3 if n is odd") is an answer as a whole.
    """
    text = _BOILERPLATE.sub("", text).strip()
    statements = list(_STATEMENT.finditer(text))
    if statements:
        stated = _sentence(text[statements[-1].end() :])
        return _stated(stated) if stated else text
    sentences = _sentences(text)
    is_long = len(text.split()) >= 12 and (len(sentences) > 1 or not _is_conditional(text))
    if _is_conditional(text) and not is_long:
        return text
    for sentence in reversed(sentences):
        if (found := _last_value(sentence, any_number=is_long)) is not None:
            return found
    return text


def _is_conditional(text: str) -> bool:
    """Whether a condition follows a value: "3 if n is odd"."""
    values = [match.start() for pattern in (_NUMBER, _MATH) if (match := pattern.search(text))]
    return bool(values) and _CONDITION.search(text, min(values)) is not None


def _stated(sentence: str) -> str:
    """What a sentence after "answer is" holds: the value its own words lead to, or all of it."""
    outside = _WORD.findall(_MATH.sub(" ", _TEXT_COMMAND.sub(" ", sentence)))
    if len(outside) < 2 or _is_conditional(sentence):
        return sentence
    if len(outside) < 4 and not _VERB.search(_MATH.sub(" ", sentence)):
        return sentence  # a value with its unit
    return _last_value(sentence, any_number=True) or sentence


def _last_value(sentence: str, *, any_number: bool) -> str | None:
    found = [(m.start(), next(g for g in m.groups() if g is not None)) for m in _MATH.finditer(sentence)]
    outside = _MATH.sub(lambda m: " " * len(m.group()), sentence)
    found += [(m.start(), m.group(1)) for m in _CUED_NUMBER.finditer(outside)]
    if not found and any_number:
        found = [(m.start(), m.group()) for m in _NUMBER.finditer(outside)]
    return max(found)[1].strip() if found else None


def _sentences(text: str) -> list[str]:
    """The text cut at line ends and full stops that are not inside a formula."""
    formulas = [match.span() for match in _MATH.finditer(text)]
    cuts = [0]
    for end in _FULL_STOP.finditer(text):
        if not any(start < end.end() < stop for start, stop in formulas):
            cuts.append(end.end())
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z][a-z']+")
_TEXT_COMMAND = re.compile(r"\\(?:text|mbox|mathrm|textbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_STATEMENT = re.compile(
    r"(?:final\s+)?answer(?:\s+to\s+[^.:\n]{1,60}?)?\**\s*(?:is|are|=|:)+\**\s*(?::|that|simply|just|therefore)?|####",
    re.IGNORECASE,
)
_CUE = re.compile(
    r"\b(?:is|are|equals?|be|we|have|get|gives?|find|obtain|therefore|thus|hence|so|answer|solution|result|total|"
    r"it's|that's)\b|:",
    re.IGNORECASE,
)
_NUMBER_TEXT = (
    r"(?:\\?[$€£])?\s?(?<![A-Za-z0-9.])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:[.,]?\d+)(?:/\d+)?"
    r"\s?(?:\\?%|°|[€£]|m²|cm²|km²|m³)?(?![A-Za-z0-9])"
)
_NUMBER = re.compile(_NUMBER_TEXT)
_CUED_NUMBER = re.compile(
    r"(?:\b(?:is|are|equals?|be|gives?|get|it's|that's)|[:=≈])\s*(" + _NUMBER_TEXT + ")", re.IGNORECASE
)
_VERB = re.compile(r"\b(?:is|are|equals?|be|was|were|by)\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|where|except|unless|otherwise|such that|for all|for every|for any)\b", re.IGNORECASE
)
_BOILERPLATE = re.compile(r"\s*(?:I hope it is correct\.?)?\s*(?:<\|[a-z_]+\|>\w*)?\s*$")
_FULL_STOP = re.compile(r"\n+|[.!?]\$*\s+(?=[A-Z*\\$])")
_SENTENCE_END = re.compile(
    r"\n|[.!?](?=\s+[A-Z*\\\"<]|\s*$|\\\")|,?\s+(?:because|since|which|so that|where|I hope)\b|<\|"
)


def _sentence(text: str) -> str:
    """Up to the end of the sentence, without Markdown emphasis; a formula is never cut."""
    text = text.strip().strip("*").strip()
    for end in _SENTENCE_END.finditer(text):
        if not any(m.start() < end.start() < m.end() for m in _MATH.finditer(text)):
            text = text[: end.start()]
            break
    return text.strip().strip("*\"'`").rstrip(".,;:").strip()


def _closings(text: str) -> dict[int, int]:
    """End of the group for each brace that opens one and is closed again. One pass, whatever is left open."""
    open_at: list[int] = []
    ends: dict[int, int] = {}
    for match in _BRACE.finditer(text):
        if match.group() == "{":
            open_at.append(match.start())
        elif match.group() == "}" and open_at:
            ends[open_at.pop()] = match.end()
    return ends


_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is no brace
_TOKEN = re.compile(r"\\[A-Za-z]+|[^\s{}$\\]")


def _unnest(content: str) -> str:
    """A box that holds nothing but another box is that box."""
    content = content.strip()
    inner = boxes(content)
    if not inner:
        return content
    start, end, box = inner[-1]
    return box if content[:start].strip(" $") == "" and content[end:].strip(" $.") == "" else content


_GAP_NOISE = re.compile(
    r"\\[()\[\],;:! ]|\\q?quad|[$,;.&\s]|\\text(?:bf|rm)?\s*\{([^{}]*)\}|[A-Za-z]\w*_?\{?\w*\}?\s*="
)


def _continues(gap: str) -> bool:
    """Whether what stands between two boxes makes them members of one list."""
    if len(gap) > _MAX_BOX_GAP or re.search(r"\n\s*\n|[.!?]\s+[A-Z]", gap):
        return False
    words = re.findall(r"[A-Za-z]+", _GAP_NOISE.sub(lambda match: f" {match.group(1) or ''} ", gap))
    rest = re.sub(r"[A-Za-z()]+", "", _GAP_NOISE.sub(" ", gap))
    return not rest.strip() and (not words or bool(_CONNECTOR_WORDS & {w.lower() for w in words})) and len(words) <= 5


_NAME_BEFORE = re.compile(r"(?:^|[\s$(\[])([A-Za-z](?:_\{?\w+\}?)?\s*(?:\\in|∈))\s*\$?\s*$")
_UNIT_AFTER = re.compile(r"\$?\s*(\\?%|percent(?:age)?|pct|°|\^\{?\\circ\}?)(?![A-Za-z])")


def _name_before(text: str, start: int) -> str:
    """`x \\in` in front of a box belongs to the answer."""
    match = _NAME_BEFORE.search(text[max(0, start - 40) : start])
    return match.group(1) + " " if match else ""


def _unit_after(text: str, end: int) -> str:
    """A percent or degree sign right behind a box belongs to the answer."""
    match = _UNIT_AFTER.match(text, end)
    return " " + match.group(1) if match else ""
