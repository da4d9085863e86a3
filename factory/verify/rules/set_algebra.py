r"""Sets that are named, not known: `A \cap B`, `A \setminus (B \cup C)`, `A^c`, compared case by case."""

from __future__ import annotations

from itertools import product

from factory.verify.nodes import Apply, Constant, Node, Symbol, symbols

_MAX_NAMES = 8
_OPERATIONS = frozenset({"union", "intersection", "difference"})


def same_set_expression(one: Node, other: Node) -> bool | None:
    """Whether two expressions of the same named sets hold for all sets; None if one is no such expression, or names
    other sets.

    An element is in each of the sets or does not: two expressions are one where they agree in all 2^n cases.
    """
    if not (_operates(one) or _operates(other)):
        return None
    names = sorted({name.rstrip("'") for name in symbols(one) | symbols(other)} - {"c"})
    if not 0 < len(names) <= _MAX_NAMES:
        return None
    cases = [dict(zip(names, inside, strict=True)) for inside in product((True, False), repeat=len(names))]
    try:
        if all(_holds(one, case) == _holds(other, case) for case in cases):
            return True
    except ValueError:
        return None
    return False if symbols(one) == symbols(other) else None


def _operates(node: Node) -> bool:
    return isinstance(node, Apply) and (node.name in _OPERATIONS or any(_operates(arg) for arg in node.args))


def _holds(node: Node, case: dict[str, bool]) -> bool:
    """Whether an element is in the set. Raises ValueError for what is no expression of named sets."""
    match node:
        case Symbol(name):
            return case[name.rstrip("'")] != (name.count("'") % 2 == 1)
        case Constant("emptyset"):
            return False
        case Apply("union", (a, b)):
            return _holds(a, case) or _holds(b, case)
        case Apply("intersection", (a, b)):
            return _holds(a, case) and _holds(b, case)
        case Apply("difference", (a, b)) | Apply("+", (a, Apply("neg", (b,)))):
            return _holds(a, case) and not _holds(b, case)
        case Apply("conj", (a,)) | Apply("^", (a, Symbol("c" | "C"))):
            return not _holds(a, case)
        case _:
            raise ValueError(node)
