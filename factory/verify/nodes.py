"""The parsed form of an answer: a small tree, with the written shape kept where it matters (brackets, decimals)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `digits` counts significant digits and `ulp` is the last place's value where a decimal was written."""

    value: Fraction
    digits: int = 0
    ulp: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Symbol:
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """pi, e, i, infinity, and the named sets R, Z, N, Q, C and the empty set."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on its arguments: arithmetic (`+ * / ^ neg`), a function's name, or `f()` for an unknown one."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with what was written behind it: a unit, or words that name what was counted."""

    value: Node
    unit: str


@dataclass(frozen=True, slots=True)
class RadixNumber:
    """Digits in a base given as subscript."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """Several items between brackets: a tuple, an interval or a set, as the brackets say. `<` stands for angles."""

    left: str
    items: tuple[Node, ...]
    right: str


@dataclass(frozen=True, slots=True)
class Matrix:
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain `a < b = c`: one sign fewer than members."""

    members: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Items without brackets around them. With ";" every item is a list of its own."""

    items: tuple[Node, ...]
    separator: Literal[",", ";", "or", "and"] = ","


@dataclass(frozen=True, slots=True)
class Words:
    """Text that is no mathematics, as `normalise.plain_words` writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Conditional:
    """A value under a condition: `2 if n is even`, a row of a piecewise function."""

    value: Node
    condition: Node


Node = (
    Conditional
    | Number
    | Symbol
    | Constant
    | Apply
    | Quantity
    | RadixNumber
    | Bracket
    | Matrix
    | Relation
    | Listing
    | Words
)


def symbols(node: Node) -> frozenset[str]:
    """Names of the free symbols and unknown functions in a tree."""
    match node:
        case Symbol(name):
            return frozenset({name})
        case Apply("sum" | "prod", (Symbol(index), low, high, body)):
            return symbols(low) | symbols(high) | (symbols(body) - {index})
        case Apply(name, args):
            own = {name[:-2]} if name.endswith("()") else set()
            return frozenset(own).union(*(symbols(a) for a in args))
        case Bracket(_, items, _) | Listing(items, _):
            return frozenset().union(*(symbols(i) for i in items))
        case Relation(members, _):
            return frozenset().union(*(symbols(m) for m in members))
        case Matrix(rows):
            return frozenset().union(*(symbols(cell) for row in rows for cell in row))
        case Quantity(value, _):
            return symbols(value)
        case Conditional(value, condition):
            return symbols(value) | symbols(condition)
        case _:
            return frozenset()
