"""The steps in which a text is read for its answer."""

from __future__ import annotations

import re

from factory.verify.extract.boxes import boxes
from factory.verify.extract.formulas import MASK, masked
from factory.verify.extract.joined import Joined, joined
from factory.verify.extract.statement import announced_value, holds_value, stated_value
from factory.verify.extract.values import Item, items
from factory.verify.extract.vocabulary import announcement, ending, roles

_THOUGHTS = re.compile(r"</think(?:ing)?>")
_ELEMENT = re.compile(r"<(/?)answer>", re.IGNORECASE)
_FINAL = re.compile(r"final answer(?::|\s+is)", re.IGNORECASE)
_SPECIAL_TOKEN = re.compile(r"<\|[a-zA-Z_]{1,40}\|>(?:assistant|user|system|final)?|<think(?:ing)?>|</?s>")
_CALCULATOR = re.compile(r"<<[^<>\n]{0,80}>>")  # notes in GSM8K's solutions
_CLOSING_WORDS = re.compile(r"(?:\s+(?:I hope it is correct\.?|-{3,}|\*{3,}|#+|QED|[∎■]))+$")
_TAIL_CHARS = 200
_DECORATION = " \n\t*_`\"'“”✅☑✔➡"
_SENTENCE_END = re.compile(r"\n+|[.!?](?=[\s*\"'”)]|$)|[。！？]")
_BLANK = re.compile(r"\s*")
_WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u9fff]")
_TWO_WORDS = re.compile(r"[^\W\d_]{2,20}\s{1,3}[^\W\d_]{2,}")
_SUBSTANCE = re.compile(rf"[\w{MASK}]")
_ABBREVIATION = re.compile(r"(?:\b(?:i\.e|e\.g|[ap]\.m|approx|vs|resp|cf|No|Eq|sq|ft|cm|cu|St|Mr|Mrs|Dr))$")
_EXCLAIMED = re.compile(r"[\d)]!$")
_YES_OR_NO = re.compile(r"(yes|no)\b\s*[,.;:—–-]", re.IGNORECASE)
_CONDITIONS = frozenset({"if", "when", "whenever", "where", "unless", "otherwise", "except", "for", "such"})
_MIN_WORDS = 3
_MAX_SENTENCE_CHARS = 2_000
"""Nothing longer states an answer, and no longer text is one unless it is announced or boxed."""


def answer_of(text: str, how: Joined = "adjacent") -> str | None:
    """The answer in `text`, whatever form it has: box, boxes that form one list, running text, or the bare answer.

    None if the text is prose that states no single answer.
    """
    text = _behind_thoughts(text)
    if (element := _answer_element(text)) is not None:
        text = element
    found = boxes(text)
    if found:
        behind = text[found[-1].end :]
        if _FINAL.search(behind) and (final := _announced(behind, masked(behind))) is not None:
            return final  # the few-shot format of Minerva announces the answer again, behind the box
        return joined(text, found, how)
    text = _SPECIAL_TOKEN.sub(" ", _CALCULATOR.sub("", text)).replace(MASK, " ").strip()
    text = text[:-_TAIL_CHARS] + _CLOSING_WORDS.sub("", text[-_TAIL_CHARS:])
    hidden = masked(text)
    if (announced := _announced(text, hidden)) is not None:
        return announced
    if not _is_prose(text, hidden):
        return text.strip(_DECORATION) if text[:1] in _DECORATION else text
    return _closing_statement(text, hidden)


def _behind_thoughts(text: str) -> str:
    """What follows the last closing mark of a chain of thought, if anything does."""
    marks = [match.end() for match in _THOUGHTS.finditer(text)]
    return text[marks[-1] :] if marks and text[marks[-1] :].strip() else text


def _answer_element(text: str) -> str | None:
    """The content of the last `<answer>` element that is closed."""
    content, opened = None, None
    for match in _ELEMENT.finditer(text):
        if not match.group(1):
            opened = match.end()
        elif opened is not None:
            content, opened = text[opened : match.start()].strip(), None
    return content


def _announced(text: str, hidden: str) -> str | None:
    """What the last announcement says; None if none says anything."""
    last = None
    for match in announcement().finditer(hidden):
        last = match
    if last is None:
        return None
    start = _BLANK.match(hidden, last.end()).end()  # type: ignore[union-attr]
    end = _sentence_end(hidden, start)
    answer = _undecorated(ending().sub("", text[start:end]))
    if not answer or _EXCLAIMED.search(answer + hidden[end : end + 1]):
        return None  # five, or five factorial
    if len(answer) > _MAX_SENTENCE_CHARS:
        return answer
    offset = start + text[start:end].find(answer)
    return announced_value(answer, hidden[offset : offset + len(answer)])


def _closing_statement(text: str, hidden: str) -> str | None:
    """What the last sentence states; a list of parts without a verb only itemises the sentence before."""
    if len(text) <= _MAX_SENTENCE_CHARS and (word := _YES_OR_NO.match(text)) and not holds_value(items(hidden)):
        return word.group(1)
    for start, end in reversed(_sentences(hidden)):
        found = items(hidden[start:end]) if end - start <= _MAX_SENTENCE_CHARS else []
        if not holds_value(found):
            return None
        if not _is_itemisation(found):
            return stated_value(text[start:end], hidden[start:end])
    return None


def _is_prose(text: str, hidden: str) -> bool:
    """Whether a text is prose that speaks of an answer, rather than the answer itself."""
    if not _WORD.search(hidden):
        return False
    if len(text) > _MAX_SENTENCE_CHARS:
        return _TWO_WORDS.search(hidden) is not None
    found = items(hidden)
    words = [item.text for item in found if item.kind == "word"]
    values = [item for item in found if item.kind == "value"]
    if values and found[0].kind == "value" and _CONDITIONS & set(words) and len(_sentences(hidden)) == 1:
        return False  # "3 if n is odd": a value with its condition
    if len(found) > 1 and any(word in roles()["states"] or word in roles()["concludes"] for word in words):
        return True
    if _has_label(found):
        return True
    is_sentence = text[:1].isalpha() and text.rstrip("*_ ").endswith((".", "!", "。"))
    if len(_sentences(hidden)) > 1:
        return bool(values) and len(words) > 1
    return bool(values) and len(words) >= _MIN_WORDS and is_sentence


def _has_label(found: list[Item]) -> bool:
    """`Total: 5`: words, one colon, one value."""
    while found and found[-1].text in ".。":
        found = found[:-1]
    colons = [place for place, item in enumerate(found) if item.text in (":", "：")]
    values = [place for place, item in enumerate(found) if item.kind == "value"]
    return len(colons) == len(values) == 1 and 0 < colons[0] < values[0] and values[0] == len(found) - 1


def _is_itemisation(found: list[Item]) -> bool:
    """`1 cylinder, 5 spheres, 4 cubes`: several values, and no verb that states them."""
    several = sum(item.kind == "value" for item in found) > 1 or "," in found[0].text
    return (
        several
        and found[0].kind == "value"
        and not any(item.text in words for item in found for role, words in roles().items() if role != "fillers")
    )


def _sentences(hidden: str) -> list[tuple[int, int]]:
    """The sentences of a masked text as (start, end), those without letters, digits or formulas left out."""
    spans, start = [], 0
    while start < len(hidden):
        end = _sentence_end(hidden, start)
        if _SUBSTANCE.search(hidden, start, end):
            spans.append((start, end + (hidden[end : end + 1] in ("!", "?", "？"))))
        start = end + 1
    return spans


def _sentence_end(hidden: str, start: int) -> int:
    for match in _SENTENCE_END.finditer(hidden, start):
        if match.group() != "." or not _ABBREVIATION.search(hidden[max(start, match.start() - 8) : match.start()]):
            return match.start()
    return len(hidden)


def _undecorated(text: str) -> str:
    """Without Markdown emphasis, quotation marks and closing punctuation."""
    return text.strip(_DECORATION).rstrip(".,;:").strip(_DECORATION)
