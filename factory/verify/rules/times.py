"""Times of day: `3:30 pm` is 15:30, and no ratio."""

from __future__ import annotations

from fractions import Fraction

from factory.verify.nodes import Apply, Node, Number, Quantity, Words
from factory.verify.result import Equivalence, undecided

_NOON = 12 * 3600
_DAY = 24 * 3600
_HALVES = {"am": 0, "pm": _NOON, "a m": 0, "p m": _NOON}
_WORDS = {"noon": _NOON, "midday": _NOON, "midnight": 0}


def compare_times(gold: Node, prediction: Node) -> Equivalence | None:
    """Two times of day of which at least one says so (am, pm, noon), or one with seconds; None for everything else."""
    one, other = _time_of_day(gold), _time_of_day(prediction)
    if one is not None and other is not None:
        return Equivalence(one == other, "time")
    if one is None and other is None:
        return _with_and_without_seconds(gold, prediction)
    (known, bare) = (one, prediction) if one is not None else (other, gold)
    assert known is not None
    clock = _clock(bare)
    if clock is None:
        return Equivalence(False, "time") if isinstance(bare, Number) else None
    if clock == known:
        return Equivalence(True, "time") if clock >= _NOON else undecided("which half of the day")
    if clock + _NOON == known or (clock - _NOON == known and clock < _NOON + 3600):
        return undecided("which half of the day")
    return Equivalence(False, "time")


def _with_and_without_seconds(gold: Node, prediction: Node) -> Equivalence | None:
    """`17:05` and `17:05:00`."""
    match gold, prediction:
        case (Apply("ratio", (a, b)), Apply("ratio", (c, d, Number(last)))) | (
            Apply("ratio", (c, d, Number(last))),
            Apply("ratio", (a, b)),
        ) if last == 0:
            return Equivalence((a, b) == (c, d), "time")
        case _:
            return None


def _time_of_day(node: Node) -> int | None:
    """Seconds since midnight of a time that names its half of the day."""
    match node:
        case Words(text):
            return _WORDS.get(text)
        case Quantity(value, unit) if (half := _HALVES.get(unit.casefold().replace(".", " ").strip())) is not None:
            clock = (
                _clock(value) if not isinstance(value, Number) else _clock(Apply("ratio", (value, Number(Fraction(0)))))
            )
            if clock is None:
                return None
            return clock if clock >= _NOON + 3600 else (clock % _NOON + half) % _DAY
        case _:
            return None


def _clock(node: Node) -> int | None:
    """Seconds of `h:mm` or `h:mm:ss` as they stand."""
    match node:
        case Apply("ratio", terms) if 2 <= len(terms) <= 3 and all(isinstance(t, Number) for t in terms):
            values = [t.value for t in terms if isinstance(t, Number)]
        case _:
            return None
    if any(v.denominator != 1 or v < 0 for v in values) or values[0] > 24 or max(values[1:]) > 59:
        return None
    seconds = int(values[0] * 3600 + values[1] * 60 + (values[2] if len(values) > 2 else 0))
    return seconds % _DAY
