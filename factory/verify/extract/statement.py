"""What one sentence states: its only value, or nothing. Hedges, comparisons and denials state nothing."""

from __future__ import annotations

import re

from factory.verify.extract.formulas import MASK
from factory.verify.extract.values import Item, items
from factory.verify.extract.vocabulary import restatement, roles

_COMPUTATION = re.compile(r"(?=\W*\d)[\d\s.,$€£+\-−*/×x()÷·%=]+=")
_LETTER_UNIT = re.compile(r"(?<=[\d.])\s*([A-Za-z])$")
_CLOCK = re.compile(r"\d{1,2}:\d\d\b")
_COPULAS = frozenset(
    {"is", "are", "equals", "be", "was", "es", "son", "est", "sont", "ist", "sind", "是", "为", ":", "："}
)


def stated_value(text: str, masked: str) -> str | None:
    """The one value that a sentence states, with what it counts; None if it states none, or leaves a choice.

    A value is stated by the verb before it ("is", "gives", a colon). Values behind "at", "when", "of" and the like are
    circumstances, those before the verb its subject, those behind "not" excluded. Without such a verb, the sentence
    states a value if it holds no other.
    """
    found = items(masked)
    is_conclusion = any(item.text in _role("concludes") for item in found)
    found = _conclusion(found, masked)
    found, excluded = _without_denied(found)
    if _has_role(found, "contrasts") or _asks(found):
        return None
    values = [place for place, item in enumerate(found) if item.kind == "value"]
    stated = [place for place in values if _introduced_by(found, place, "states")]
    verb = _verb(found, stated[0]) if len(stated) == 1 else 0
    doubted = _has_role(found[verb:], "hedges") or _has_role(found[max(0, verb - 2) :], "modals")
    if doubted or (_has_role(found[verb:], "negations") and not excluded):
        return None
    others = [place for place in values if place not in stated and not _is_circumstance(found, place)]
    if len(stated) == 1:
        is_whole = found[verb].text in _COPULAS  # then all that stands before is its subject
        others = [place for place in others if place > stated[0] or not (is_whole or _is_by_the_way(found, place))]
        return None if others else labelled(text, found, stated[0])
    if stated:
        return None
    candidates = values if len(values) == 1 or not is_conclusion else others  # a conclusion may name circumstances
    candidates = [place for place in candidates if not found[place].is_name] or candidates
    if len(candidates) != 1 or not (others or _CLOCK.match(found[candidates[0]].text)):
        return None
    return labelled(text, found, candidates[0])


def announced_value(text: str, masked: str) -> str:
    """What is announced by "the answer is": the value with which it begins, or all of it."""
    found = items(masked)
    if not any(item.kind == "value" for item in found):
        return text
    begin = next(place for place, item in enumerate(found) if item.text not in _role("fillers"))
    if found[begin].kind == "value":
        return _leading_value(text, found, begin)
    value = next(place for place, item in enumerate(found) if item.kind == "value")
    if any(item.kind == "mark" for item in found[:value]):
        return text  # "Alice, who has 5 points"
    return stated_value(text, masked) or text


def _leading_value(text: str, found: list[Item], begin: int) -> str:
    """A value at the beginning, if nothing behind it takes part in the answer."""
    value = labelled(text, found, begin)
    if value is None:
        return text
    rest, _ = _without_denied(_until_reasons(found[begin:]))
    more = [place for place, item in enumerate(rest) if place and item.kind == "value"]
    if any(not _is_circumstance(rest, place) for place in more) or _has_role(rest[1:], "hedges", "modals", "contrasts"):
        return text
    return value


def labelled(text: str, found: list[Item], place: int) -> str | None:
    """A value with the words that name what it counts; None if the words behind it make another value of it."""
    behind = found[place + 1 : place + 4]
    if behind and (behind[0].text in _role("modifiers") or behind[0].text == "!"):
        return None
    if len(behind) > 1 and behind[0].text in _role("joiners") and holds_value(behind):
        return None
    end = found[place].end
    for item in [] if found[place].has_unit else behind:
        if item.kind != "word" or any(item.text in words for words in roles().values()):
            break
        end = item.end
    value = text[found[place].start : end]
    if found[place].has_unit:
        value = _LETTER_UNIT.sub(r" \\text{\1}", value)  # a length, no variable
    computed = None if MASK in found[place].text else _COMPUTATION.match(value)
    return None if value.endswith("!") else value[computed.end() :].strip() if computed else value


def _conclusion(found: list[Item], masked: str) -> list[Item]:
    """The part behind the last "so" and the last "that is", up to "because"."""
    found = _until_reasons(_behind_last(found, "concludes"))
    signs = [place for place, item in enumerate(found) if item.text == "=" and holds_value(found[place:])]
    if signs and not any(
        _introduced_by(found, place, "states") for place in range(signs[-1]) if found[place].kind == "value"
    ):
        found = found[signs[-1] + 1 :]  # "260 kids - 24 kids = 236 kids"
    cuts = [match.span() for match in restatement().finditer(masked)]
    for start, end in reversed(cuts):
        before = [item for item in found if item.end <= start]
        behind = [item for item in found if item.start >= end]
        if holds_value(before) and holds_value(behind):
            return behind
    return found


def _behind_last(found: list[Item], role: str) -> list[Item]:
    for place in range(len(found) - 1, -1, -1):
        if found[place].text in _role(role) and holds_value(found[place:]):
            return found[place + 1 :]
    return found


def _until_reasons(found: list[Item]) -> list[Item]:
    seen = False
    for place, item in enumerate(found):
        following = found[place + 1].text if place + 1 < len(found) else ""
        goes_on = (item.text == "which" and following == "is") or _computes(found, place)
        if seen and item.text in _role("reasons") and found[place - 1].text not in ("and", "but") and not goes_on:
            return found[:place]
        seen = seen or item.kind == "value"
    return found


def _computes(found: list[Item], start: int) -> bool:
    """Whether a computation follows, and not as a circumstance ("at n = 2")."""
    return any("=" in found[place].text and not _is_circumstance(found, place) for place in range(start, len(found)))


def _without_denied(found: list[Item]) -> tuple[list[Item], bool]:
    """The sentence without "not 12", and whether there was such a value besides another."""
    kept: list[Item] = []
    denied = False
    for item in found:
        before = _word_before(kept, len(kept))
        if item.kind == "value" and before is not None and kept[before].text in _role("negations"):
            kept, denied = kept[:before], True
        else:
            kept.append(item)
    return kept, denied and holds_value(kept)


def _word_before(found: list[Item], place: int) -> int | None:
    """The place of what stands before a value, behind words that carry no weight."""
    place = _behind_fillers(found, place - 1)
    if place > 0 and found[place].text == "of" and found[place - 1].text in _role("measures"):
        place = _behind_fillers(found, place - 2)  # "has an area of 12"
    if place > 0 and found[place].text in ("to", "by") and found[place - 1].text in _role("states"):
        place -= 1  # "comes to 5", "increases by 5"
    return place if place >= 0 else None


def _behind_fillers(found: list[Item], place: int) -> int:
    while place >= 0 and (found[place].text in _role("fillers") or found[place].text in '*_`"'):
        place -= 1
    return place


def _introduced_by(found: list[Item], place: int, role: str) -> bool:
    before = _word_before(found, place)
    return before is not None and (
        found[before].text in _role(role) or (role == "states" and found[before].text in ":：")
    )


def _is_circumstance(found: list[Item], place: int) -> bool:
    return _introduced_by(found, place, "places") or _introduced_by(found, place, "reasons")


def _is_by_the_way(found: list[Item], place: int) -> bool:
    """The name of something, or the subject of a verb."""
    return found[place].is_name or (place + 1 < len(found) and found[place + 1].text in _role("states"))


def _verb(found: list[Item], place: int) -> int:
    """The place of the verb that states the value at `place`."""
    before = _word_before(found, place)
    return place if before is None else before


def _asks(found: list[Item]) -> bool:
    return bool(found) and found[-1].text in ("?", "？")


def _has_role(found: list[Item], *wanted: str) -> bool:
    return any(item.text in _role(role) for item in found if item.kind != "value" for role in wanted)


def holds_value(found: list[Item]) -> bool:
    """Whether a value is among the items."""
    return any(item.kind == "value" for item in found)


def _role(role: str) -> frozenset[str]:
    return roles()[role]
