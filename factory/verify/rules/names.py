"""What an answer is called: `x = 5` is the value 5 under the name x, and which names may be left out."""

from __future__ import annotations

from dataclasses import dataclass

from factory.recipe import EquivalencePolicy
from factory.verify.nodes import (
    Apply,
    Bracket,
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


@dataclass(frozen=True, slots=True)
class Named:
    """A value and the name that stands before it, None where there is none."""

    name: str | None
    value: Node


_NAMED_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "max", "min", "log", "ln", "abs", "det", "sqrt"}
)


def named(node: Node, policy: EquivalencePolicy) -> Named:
    """Take a name, a chain of equations and an approximate tail off a value; a true equation stays what it is."""
    if not isinstance(node, Relation):
        return Named(None, node)
    node = _without_approximation(node, policy)
    if not isinstance(node, Relation):
        return Named(None, node)
    head, last = node.members[0], node.members[-1]
    if node.signs == ("in",) and policy.membership_prefix and is_name(head):
        return Named(spelling(head), last)
    if set(node.signs) not in ({"="}, {"~"}, {"=", "~"}):
        return Named(None, node)
    if len(node.members) > 2 and not policy.equation_chain:
        return Named(None, node)
    if policy.assignment_prefix and is_name(head) and not (len(node.members) == 2 and head == last):
        return Named(spelling(head), _in_own_variable(head, last))
    if not any(symbols(member) for member in node.members):
        return Named(None, last)  # 1 + 1 = 2: a computation
    if policy.equation_value and not symbols(last):
        return Named(None, last)
    return Named(None, node)


def is_name(node: Node) -> bool:
    """Whether an expression only names what an answer is the value of: `x`, `f(x)`, `|AB|`, `A : B`, `(x, y)`."""
    match node:
        case Symbol() | Words():
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
        case Apply(name, args) if name in _NAMED_FUNCTIONS:
            return all(is_name(a) for a in args)
        case Bracket("(" | "<", items, _) | Listing(items):
            return all(is_name(item) for item in items)
        case Quantity(value, _):
            return is_name(value)
        case _:
            return False


def spelling(node: Node) -> str:
    """A name as a key: equal names have equal keys."""
    match node:
        case Symbol(name) | Words(name):
            return name
        case Apply(name, _) if name.endswith("()"):
            return name
        case _:
            return repr(node)


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
        case _:
            return node


def _in_own_variable(head: Node, value: Node) -> Node:
    """`f(n) = n + 1` and `f(x) = x + 1` define one function: its argument gets a neutral name."""
    match head:
        case Apply(name, (Symbol(argument),)) if name.endswith("()") and argument in symbols(value):
            return substitute(value, argument, "x")
        case _:
            return value


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
