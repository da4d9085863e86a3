# ruff: noqa: SIM905 - a table of words reads better as text
"""What an answer is called: `x = 5` is the value 5 under the name x, and which names may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import (
    Apply,
    Bracket,
    Conditional,
    Constant,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Relation,
    Symbol,
    Words,
    symbols,
)

Kind = Literal["symbol", "function", "words"]


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A value and the name that stands before it, None if there is none.

    A "function" (`\\sin C`, `\\max f`, `|z|`) is no name but says what the value is of; "words" describe it.
    """

    name: str | None
    value: Node
    kind: Kind = "symbol"
    about: frozenset[str] = frozenset()
    """Symbols in the name."""
    bound: bool = False
    """Whether a bare value may stand for it: always for a name, for a function only where it measures a figure."""


_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "max", "min", "log", "ln", "abs", "det", "sqrt", "gcd", "lcm", "exp"}
)
_FIGURES = frozenset({"angle()", "vector()", "triangle()", "hat()", "digits()"})
"""What the grammar makes of decorations: not functions of a variable."""
_LABELS = frozenset(
    "maximum minimum max min largest smallest greatest least length width height area perimeter volume".split()
)


def named(node: Node, policy: EquivalencePolicy) -> NamedValue:
    """Take a name, a chain of equations and an approximate tail off a value; a true equation stays what it is."""
    match node:
        case Apply("max" | "min" as name, (value,)) if isinstance(value, Number):
            return NamedValue(name, value, "words")
        case Apply("*", (Words(text), value)) if set(text.split()) <= _LABELS | {"value", "the"}:
            return NamedValue(_label(text), value, "words")
        case Relation():
            return _named_by_relation(node, policy)
        case _:
            return NamedValue(None, node)


def _named_by_relation(node: Relation, policy: EquivalencePolicy) -> NamedValue:
    exact_part = _without_approximation(node, policy)
    if not isinstance(exact_part, Relation):
        return NamedValue(None, exact_part)
    node = exact_part
    head, last = node.members[0], node.members[-1]
    if node.signs == ("in",) and policy.membership_prefix and is_name(head):
        return _with_name(head, last)
    if set(node.signs) not in ({"="}, {"~"}, {"=", "~"}):
        return NamedValue(None, node)
    if len(node.members) > 2 and not policy.equation_chain:
        return NamedValue(None, node)
    if policy.assignment_prefix and is_name(head) and not (len(node.members) == 2 and head == last):
        return _with_name(head, last)
    if not any(symbols(member) for member in node.members):
        return NamedValue(None, last)  # 1 + 1 = 2: a computation
    if policy.equation_value and not symbols(last):
        return NamedValue(None, last)
    return NamedValue(None, node)


def names_differ(one: NamedValue, other: NamedValue) -> bool | None:
    """Whether two names cannot be of one thing; None if only a reader can tell, such as `y` and `f(x)`."""
    if one.name == other.name:
        return False
    if one.name is None or other.name is None:
        named_side = one if other.name is None else other
        return False if named_side.bound or named_side.kind != "function" else None
    if one.kind == other.kind:
        return None if one.kind == "words" else True
    return True if one.about & other.about and "words" not in (one.kind, other.kind) else None


def as_assignments(node: Node) -> Node:
    """`(x, y) = (4, 7)` as `x = 4, y = 7`."""
    match node:
        case Relation((Bracket("(", names, ")"), Bracket("(", values, ")")), ("=",)) if len(names) == len(
            values
        ) and all(is_name(name) for name in names):
            return Listing(tuple(Relation((name, value), ("=",)) for name, value in zip(names, values, strict=True)))
        case _:
            return node


def is_name(node: Node) -> bool:
    """Whether an expression only says what an answer is the value of: `x`, `f(x)`, `|AB|`, `A : B`, `(x, y)`."""
    match node:
        case Symbol() | Words() | Constant("e" | "i"):
            return True
        case Apply("abs" | "degree", (inner,)):
            return is_name(inner)
        case Apply("*", (Apply("^", (Symbol(), Apply("neg", (Number(),)))), Symbol())):
            return True  # an inverse function at its argument
        case Apply("*", args):
            return all(_is_point(a) or (isinstance(a, Apply) and a.name == "*" and is_name(a)) for a in args)
        case Apply("ratio" | "/", args):
            return all(is_name(a) or _is_product_of_differentials(a) for a in args)
        case Apply(name, args) if name.endswith("()"):
            return True
        case Apply("^", (Apply("sin" | "cos" | "tan", args), _)):
            return all(is_name(a) for a in args)
        case Apply(name, args) if name in _FUNCTIONS:
            return all(is_name(a) for a in args)
        case Bracket("(" | "<", items, _) | Listing(items):
            return all(is_name(item) for item in items)
        case Quantity(value, _):
            return is_name(value)
        case _:
            return False


def spelling(node: Node) -> str:
    """A name as a key: equal names have equal keys; the order of two letters of a segment does not count."""
    match node:
        case Symbol(name) | Words(name):
            return name
        case Apply(name, (Symbol(_),)) if name.endswith("()") and name not in _FIGURES:
            return name
        case Apply("*", (Symbol(one), Symbol(other))):
            return "".join(sorted((one, other)))
        case Apply("abs", (inner,)) if _measures_a_figure(node):
            return spelling(inner)  # |AB| and AB are one length
        case _:
            return repr(node)


def _with_name(head: Node, value: Node) -> NamedValue:
    kind: Kind = "symbol"
    if isinstance(head, Words | Quantity):
        kind = "words"
    elif isinstance(head, Apply) and (
        head.name in _FUNCTIONS or head.name == "^" or (head.name.endswith("()") and head.name not in _FIGURES)
    ):
        kind = "function"
    bound = kind != "function" or _measures_a_figure(head) or head.name.endswith("()")  # type: ignore[union-attr]
    key, value = _in_own_variable(head, value)
    return NamedValue(key, value, kind, symbols(head), bound)


def _measures_a_figure(head: Node) -> bool:
    """`|AB|`, `\\sin A`: functions of points and angles, which have no other value that could be meant."""
    match head:
        case Apply("abs", (inner,)):
            return not isinstance(inner, Symbol) and is_name(inner)
        case Apply("^", (inner, _)):
            return _measures_a_figure(inner)
        case Apply("sin" | "cos" | "tan" | "cot" | "sec" | "csc", args):
            return all(_is_angle(a) for a in args)
        case _:
            return False


def _is_angle(node: Node) -> bool:
    match node:
        case Symbol(name):
            return name[0].isupper() or name.startswith("\\")
        case Apply(name, _):
            return name.startswith("angle")
        case _:
            return False


def _label(text: str) -> str:
    words = [word for word in text.split() if word not in ("value", "the")]
    return {
        "maximum": "max",
        "largest": "max",
        "greatest": "max",
        "minimum": "min",
        "smallest": "min",
        "least": "min",
    }.get(" ".join(words), " ".join(words))


def substitute(node: Node, old: str, new: str) -> Node:
    """The tree with one symbol renamed."""
    match node:
        case Symbol(name):
            return Symbol(new) if name == old else node
        case Apply(name, args):
            return Apply(name, tuple(substitute(a, old, new) for a in args))
        case Bracket(left, items, right):
            return Bracket(left, tuple(substitute(i, old, new) for i in items), right)
        case Relation(members, signs):
            return Relation(tuple(substitute(m, old, new) for m in members), signs)
        case Matrix(rows):
            return Matrix(tuple(tuple(substitute(cell, old, new) for cell in row) for row in rows))
        case Listing(items, separator):
            return Listing(tuple(substitute(i, old, new) for i in items), separator)
        case Quantity(value, unit):
            return Quantity(substitute(value, old, new), unit)
        case Conditional(value, condition):
            return Conditional(substitute(value, old, new), substitute(condition, old, new))
        case _:
            return node


def _in_own_variable(head: Node, value: Node) -> tuple[str, Node]:
    """`f(n) = n + 1` and `f(x) = x + 1` define one function, `a_n = n` and `a_k = k` one sequence."""
    match head:
        case Apply(name, (Symbol(argument),)) if (
            name.endswith("()") and name not in _FIGURES and argument in symbols(value)
        ):
            return name, substitute(value, argument, "x")
        case Symbol(name) if (
            (split := name.rpartition("_"))[1]
            and len(split[2]) == 1
            and split[2].isalpha()
            and split[2] in symbols(value)
        ):
            return split[0] + "_n", substitute(value, split[2], "n")
        case _:
            return spelling(head), value


def _without_approximation(node: Relation, policy: EquivalencePolicy) -> Node:
    """`1/3 ~ 0.33` is 1/3; `x ~ 11` says what x is."""
    if "~" not in node.signs or not policy.approximation:
        return node
    cut = node.signs.index("~")
    if cut == 0 and is_name(node.members[0]):
        return node if len(node.members) == 2 else Relation(node.members[:2], node.signs[:1])
    return node.members[0] if cut == 0 else Relation(node.members[: cut + 1], node.signs[:cut])


def _is_point(node: Node) -> bool:
    return isinstance(node, Symbol) and node.name[0].isupper()


def _is_product_of_differentials(node: Node) -> bool:
    match node:
        case Symbol("d"):
            return True
        case Apply("*", (Symbol("d"), Symbol())):
            return True
        case _:
            return False
