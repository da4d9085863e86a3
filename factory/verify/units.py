"""Units of measurement: what a unit's spelling stands for, and when two quantities can be compared."""

from __future__ import annotations

import re
from fractions import Fraction as F
from functools import lru_cache

Dimension = tuple[tuple[str, int], ...]


@lru_cache(maxsize=1024)
def unit_of(spelling: str) -> tuple[F, Dimension] | None:
    """(factor to base units, dimension) of a unit such as `cm^2`, `square feet`, `km/h`; None for other words."""
    text = _prepare(spelling)
    if not text:
        return None
    factor, dimension = F(1), dict[str, int]()
    sign, power_next = 1, 1
    for word in text.split():
        if word in ("/", "per", "a", "an"):
            sign = -1 if word in ("/", "per") else sign
            continue
        if word in ("square", "sq"):
            power_next = 2
            continue
        if word in ("cubic", "cu"):
            power_next = 3
            continue
        name, _, exponent = word.partition("^")
        known = _lookup(name)
        if known is None or not re.fullmatch(r"-?\d?", exponent):
            return None
        power = sign * int(exponent or power_next)
        power_next = 1
        factor *= known[0] ** power
        for base, times in known[1]:
            dimension[base] = dimension.get(base, 0) + times * power
    return factor, tuple(sorted((base, times) for base, times in dimension.items() if times))


def same_words_of_unit(one: str, other: str) -> bool:
    """Whether two labels are one word up to number, case and order of writing (`way`, `Ways`)."""
    return _stem(one) == _stem(other)


def _prepare(spelling: str) -> str:
    text = spelling.replace("·", " ").replace("\\cdot", " ").replace("/", " / ").replace(".", " ")
    text = re.sub(r"(?<![\^{])-", " ", text)
    text = re.sub(r"\b(m|km)(s|h)(?=\s*\^\s*\{?\s*-)", r"\1 \2", text)  # ms^{-1}
    text = re.sub(r"\s*\^\s*\{?\s*(-?\d+)\s*\}?", r"^\1", text)
    text = re.sub(r"\bunits?\s+(square|cubed)\b|\b(square|cubed)\s+units?\b", lambda m: _units_power(m.group()), text)
    text = re.sub(r"(\w+)\s+squared\b", r"\1^2", text)
    text = re.sub(r"(\w+)\s+cubed\b", r"\1^3", text)
    return " ".join(text.split())


def _units_power(text: str) -> str:
    return "units^3" if "cubed" in text else "units^2"


def _stem(words: str) -> str:
    return " ".join(re.sub(r"(?<=[a-z]{2})s$", "", w) for w in words.casefold().split())


def _lookup(name: str) -> tuple[F, Dimension] | None:
    lower = name.lower()
    for candidate in (name, lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if candidate in _UNITS:
            return _UNITS[candidate]
    return None


def _table() -> dict[str, tuple[F, Dimension]]:
    groups: list[tuple[str, dict[str, F]]] = [
        (
            "length",
            {
                "nm nanometer nanometre": F(1, 10**9), "mm millimeter millimetre": F(1, 1000),
                "cm centimeter centimetre": F(1, 100), "dm decimeter decimetre": F(1, 10), "m meter metre": F(1),
                "km kilometer kilometre": F(1000), "in inch inche": F(254, 10000), "ft foot feet": F(3048, 10000),
                "yd yard": F(9144, 10000), "mi mile": F(1609344, 1000),
            },
        ),
        (
            "time",
            {
                "ms millisecond": F(1, 1000), "s sec second 秒": F(1), "min minute 分钟 分": F(60),
                "h hr hour 小时": F(3600),
                "day": F(86400), "week": F(604800),
            },
        ),
        ("month", {"month": F(1), "yr year": F(12)}),
        (
            "mass",
            {
                "mg milligram": F(1, 1000), "g gram": F(1), "kg kilogram": F(1000), "t ton tonne": F(10**6),
                "lb pound": F(45359237, 100000), "oz ounce": F(45359237, 1600000),
            },
        ),
        ("money", {"dollar usd buck": F(1), "cent": F(1, 100), "dime": F(1, 10), "nickel": F(1, 20)}),
        ("euro", {"euro eur": F(1)}), ("pounds", {"gbp pounds sterling": F(1)}), ("yuan", {"yuan rmb 元": F(1)}),
        ("rupee", {"rupee": F(1)}), ("rouble", {"rouble ruble руб рублей рубля": F(1)}), ("yen", {"yen": F(1)}),
        ("angle", {"degree deg": F(1)}), ("radian", {"rad radian": F(1)}),
        ("temperature", {"celsius": F(1)}), ("fahrenheit", {"fahrenheit": F(1)}),
        ("unit", {"unit": F(1)}),
        ("data", {"byte": F(1), "kb kilobyte": F(10**3), "mb megabyte": F(10**6), "gb gigabyte": F(10**9),
                  "tb terabyte": F(10**12)}), ("substance", {"mol mole": F(1)}),
        ("energy", {"j joule": F(1), "kj": F(1000)}), ("power", {"w watt": F(1)}), ("force", {"n N newton": F(1)}),
        ("charge", {"volt": F(1)}),
    ]  # fmt: skip
    table: dict[str, tuple[F, Dimension]] = {}
    for base, members in groups:
        for names, factor in members.items():
            for name in names.split():
                table[name] = (factor, ((base, 1),))
    litre = (F(1, 1000), (("length", 3),))
    for name in ("l", "L", "liter", "litre"):
        table[name] = litre
    for name in ("ml", "mL", "milliliter", "millilitre", "cc"):
        table[name] = (F(1, 10**6), (("length", 3),))
    speed: Dimension = (("length", 1), ("time", -1))
    table["mph"] = (F(1609344, 3600000), speed)
    table["kph"] = table["kmph"] = table["kmh"] = (F(1000, 3600), speed)
    for half in ("am", "pm"):
        table[half] = (F(1), ((half, 1),))
    return table


_UNITS = _table()
UNITS = frozenset(_UNITS) | {"cms", "kms", "hrs", "mins", "secs", "lbs"}
