"""Free parameters: `2k + 1, k in Z` names a family of answers, in which the name k does not count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from factory.verify.evaluate import digits_of, value_of
from factory.verify.exact import Undefined, Unsupported
from factory.verify.identity import PARAMETER
from factory.verify.nodes import Apply, Bracket, Constant, Listing, Node, Relation, Symbol, symbols
from factory.verify.rules.lists import both_signs
from factory.verify.rules.names import substitute

_PARAMETER_NAMES = frozenset("klmnN")
_NATURALS = frozenset({"N", "Z+", "Z>=0"})
_MAX_RESIDUES = 240
_DIGITS = 40


def canonical_parameters(gold: Node, prediction: Node) -> tuple[Node, Node] | bool | None:
    """Both answers without the domains that they declare and with one name per parameter, in order of appearance.

    True if nothing declares one, False if the domains differ, None if they may (whether the naturals hold
    zero). A side that declares nothing takes the other's.
    """
    (one, domains), (other, other_domains) = _split(gold), _split(prediction)
    if not domains and not other_domains:
        return True
    domains = domains or _assumed(one, other_domains)
    other_domains = other_domains or _assumed(other, domains)
    if sorted(domains.values()) != sorted(other_domains.values()) and domains and other_domains:
        return None if {*domains.values(), *other_domains.values()} <= _NATURALS else False
    return _renamed(one, domains), _renamed(other, other_domains)


def other_parameter(gold: Node, prediction: Node) -> Node | None:
    """`pi/4 + pi n` by the name of the parameter in `pi/4 + pi k`, where neither declares it; None for others."""
    if not (isinstance(gold, Apply) and isinstance(prediction, Apply)):
        return None
    one, other = symbols(gold), symbols(prediction)
    if len(one) != 1 or len(other) != 1 or one == other or not one | other <= _PARAMETER_NAMES:
        return None
    return substitute(prediction, next(iter(other)), next(iter(one)))


def same_families(gold: Node, prediction: Node) -> bool | None:
    """Whether two lists of values with one whole parameter, a + b k, hold the same numbers; None for other answers.

    `k pi / 2` is `k pi` and `pi/2 + k pi`: every family is written as residues modulo a common period.
    """
    try:
        families = [[_family(value) for value in _values(side)] for side in (gold, prediction)]
    except (Undefined, Unsupported):
        return None
    steps = [step for side in families for _, step in side if step]
    if not steps:
        return None
    unit = steps[0]
    ratios = [_as_ratio(step / unit) for step in steps]
    if None in ratios:
        return None
    period = unit * math.lcm(*(ratio.numerator for ratio in ratios if ratio is not None))
    found = [_residues(side, period) for side in families]
    return None if None in found else found[0] == found[1]


def _split(node: Node) -> tuple[Node, dict[str, str]]:
    """Take `k in Z` out of an answer: an item of its own, or in brackets behind the value."""
    match node:
        case Listing(items, separator):
            kept: list[Node] = []
            domains: dict[str, str] = {}
            for item in items:
                declared = _declaration(item)
                if declared and any(declared[0] in symbols(i) for i in items if i is not item):
                    domains[declared[0]] = declared[1]
                else:
                    stripped, inner = _split(item)
                    kept.append(stripped)
                    domains |= inner
            if not kept:
                return node, {}
            return (kept[0] if len(kept) == 1 else Listing(tuple(kept), separator)), domains
        case Relation((*before, last), signs) if signs[-1] in ("=", "in"):
            stripped, domains = _split(last)
            return (Relation((*before, stripped), signs), domains) if domains else (node, {})
        case Apply("+", (left, right)):
            stripped, domains = _split(right)
            return (Apply("+", (left, stripped)), domains) if domains else (node, {})
        case Apply("*", (left, right)) if (declared := _declaration(right)) is not None:
            return left, {declared[0]: declared[1]}
        case _:
            return node, {}


def _declaration(node: Node) -> tuple[str, str] | None:
    match node:
        case Relation((Symbol(name), Constant(domain)), ("in",)):
            return name, domain
        case _:
            return None


def _assumed(node: Node, domains: dict[str, str]) -> dict[str, str]:
    """The parameters of a side that declares none: the same names, or as many that usually are parameters."""
    free = symbols(node)
    if domains.keys() <= free:
        return domains
    likely = sorted(free & _PARAMETER_NAMES)
    return dict(zip(likely, domains.values(), strict=True)) if len(likely) == len(domains) else {}


def _renamed(node: Node, domains: dict[str, str]) -> Node:
    order = [name for name in dict.fromkeys(_appearing(node)) if name in domains]
    for number, name in enumerate(order):
        prefix = PARAMETER if domains[name][0] in "ZN" else "\\parameter"
        node = substitute(node, name, f"{prefix}{domains[name]}{number}")
    return node


def _appearing(node: Node) -> Iterator[str]:
    match node:
        case Symbol(name):
            yield name
        case Apply(_, parts) | Bracket(_, parts, _) | Relation(parts, _) | Listing(parts, _):
            for part in parts:
                yield from _appearing(part)


def _values(node: Node) -> list[Node]:
    match node:
        case Listing(items, _) | Bracket("{", items, _):
            return [value for item in items for value in _values(item)]
        case Relation((Symbol(), value), ("=",)):
            return _values(value)
        case _:
            return both_signs(node)


def _family(node: Node) -> tuple[Any, Any]:
    """(value at 0, step) of a value that is linear in one whole parameter. Raises Unsupported for any other."""
    names = [name for name in symbols(node) if name.startswith(PARAMETER + "Z")]
    if len(names) != len(symbols(node)) or len(names) > 1:
        raise Unsupported("no family of numbers")
    if not names:
        return value_of(node, digits=_DIGITS, real=True), 0
    at = [value_of(node, {names[0]: Fraction(k)}, digits=_DIGITS, real=True) for k in (0, 1, 2, 7)]
    step = at[1] - at[0]
    if abs(at[2] - at[0] - 2 * step) > 1e-25 or abs(at[3] - at[0] - 7 * step) > 1e-25:
        raise Unsupported("not linear")
    return at[0], abs(step)


def _as_ratio(value: Any) -> Fraction | None:
    found = Fraction(str(digits_of(_DIGITS).nstr(value, 30))).limit_denominator(1000)
    return found if abs(value * found.denominator - found.numerator) < 1e-25 else None


def _residues(families: list[tuple[Any, Any]], period: Any) -> frozenset[str] | None:
    """All numbers of the families modulo the period, to 20 places; None for single numbers beside families."""
    context = digits_of(_DIGITS)
    found: set[str] = set()
    for start, step in families:
        if not step:
            return None
        for k in range(round(period / step)):
            if len(found) > _MAX_RESIDUES:
                return None
            part = (start + k * step) / period
            part -= context.floor(part + context.mpf("1e-25"))
            found.add(str(context.nint(part * 10**18)))
    return frozenset(found)
