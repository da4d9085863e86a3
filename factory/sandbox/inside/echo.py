"""The text that stands for the value of a cell's last expression.

The choices are those of IPython's text/plain form, made canonical: sets are sorted, functions and objects show no
address, a value takes one line however long it is (a narrow width would spend a token per line of a list).
"""

from __future__ import annotations

import collections
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

MAX_ITEMS = 1000
MAX_DEPTH = 50

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}(?=>)")


def echo(value: Any, depth: int = 0, open_ids: frozenset[int] = frozenset()) -> str:
    """The canonical text of `value`. Raises whatever the value's own `__repr__` raises."""
    kind = type(value)
    show, own = _printer(kind)
    if show is None:
        return _leaf(value, depth)
    if id(value) in open_ids or depth > MAX_DEPTH:
        return f"{own[0]}...{own[1]}" if own else f"{kind.__name__}(...)"

    def inner(item: Any, deeper: int = 1) -> str:
        return echo(item, depth + deeper, open_ids | {id(value)})

    return show(value, inner)


Show = Callable[[Any, Callable[..., str]], str]


def _printer(kind: type) -> tuple[Show | None, str]:
    """The printer of the nearest base class that has one, unless a nearer one defines `__repr__`."""
    for base in kind.__mro__:
        if base in _PRINTERS:
            return _PRINTERS[base]
        if base is not object and "__repr__" in vars(base):
            return None, ""
    return _PRINTERS[object]


def _leaf(value: Any, depth: int) -> str:
    text = repr(value)
    if not isinstance(value, str | bytes | int | float):
        text = _ADDRESS.sub("", text)
    return text.replace("\n", "\n" + " " * depth)


def _joined(items: Iterable[Any], inner: Callable[..., str]) -> str:
    shown = []
    for index, item in enumerate(items):
        if index == MAX_ITEMS:
            shown.append("...")
            break
        shown.append(inner(item))
    return ", ".join(shown)


def _list(value: list[Any], inner: Callable[..., str]) -> str:
    return f"[{_joined(value, inner)}]"


def _tuple(value: tuple[Any, ...], inner: Callable[..., str]) -> str:
    return f"({_joined(value, inner)}{',' if len(value) == 1 else ''})"


def _set(value: Any, inner: Callable[..., str]) -> str:
    name = type(value).__name__
    if not value:
        return f"{name}()"
    items = f"{{{_joined(_sorted(value), inner)}}}"
    return items if type(value) is set else f"{name}({items})"


def _sorted(values: Iterable[Any]) -> list[Any]:
    """In order where the values have one; else in the order of their texts."""
    items = list(values)
    if len(items) > MAX_ITEMS:
        return items
    try:
        return sorted(items)
    except Exception:
        try:
            return sorted(items, key=str)
        except Exception:
            return items


def _dict(value: dict[Any, Any], inner: Callable[..., str]) -> str:
    shown = []
    for index, (key, item) in enumerate(value.items()):
        if index == MAX_ITEMS:
            shown.append("...")
            break
        shown.append(f"{inner(key)}: {inner(item)}")
    return f"{{{', '.join(shown)}}}"


def _counter(value: collections.Counter[Any], inner: Callable[..., str]) -> str:
    return f"{type(value).__name__}({inner(dict(value.most_common())) if value else ''})"


def _defaultdict(value: collections.defaultdict[Any, Any], inner: Callable[..., str]) -> str:
    return f"{type(value).__name__}({inner(value.default_factory)}, {inner(dict(value))})"


def _ordered(value: collections.OrderedDict[Any, Any], inner: Callable[..., str]) -> str:
    return f"{type(value).__name__}({inner(list(value.items())) if value else ''})"


def _deque(value: collections.deque[Any], inner: Callable[..., str]) -> str:
    bound = "" if value.maxlen is None else f", maxlen={value.maxlen}"
    return f"{type(value).__name__}({inner(list(value))}{bound})"


def _class(value: type, _inner: Callable[..., str]) -> str:
    if type(value).__repr__ is not type.__repr__:
        return repr(value)
    return _qualified(value)


def _qualified(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = str(value.__qualname__)
    return name if module in (None, "builtins", "exceptions") else f"{module}.{name}"


def _function(value: Any, _inner: Callable[..., str]) -> str:
    try:
        return f"<function {_qualified(value)}{inspect.signature(value)}>"
    except (TypeError, ValueError):
        return f"<function {_qualified(value)}>"


def _object(value: Any, _inner: Callable[..., str]) -> str:
    return f"<{_qualified(type(value))}>"


_PRINTERS: dict[type, tuple[Show, str]] = {
    list: (_list, "[]"),
    tuple: (_tuple, "()"),
    set: (_set, "{}"),
    frozenset: (_set, ""),
    dict: (_dict, "{}"),
    collections.Counter: (_counter, ""),
    collections.defaultdict: (_defaultdict, ""),
    collections.OrderedDict: (_ordered, ""),
    collections.deque: (_deque, ""),
    type: (_class, ""),
    type(echo): (_function, ""),
    type(len): (_function, ""),
    object: (_object, ""),
}
