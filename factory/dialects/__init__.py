"""Dialects: token-level chat formats. Knows records; no engine, no network, no model file but its tokenizer."""

from __future__ import annotations

import difflib

from factory.dialects.fenced import Fenced
from factory.dialects.harmony import Harmony
from factory.dialects.protocol import Dialect, DialectClass, Tokenizer
from factory.errors import FactoryError

DIALECTS: dict[str, DialectClass] = {
    "harmony": Harmony,
    "fenced": Fenced,
}


def named(name: str) -> DialectClass:
    """A dialect by the name that a recipe gives it. Raises `FactoryError` where there is none of that name."""
    if name in DIALECTS:
        return DIALECTS[name]
    near = difflib.get_close_matches(name, DIALECTS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(DIALECTS)}"
    raise FactoryError(f"there is no dialect named {name!r}", remedy=hint)


def dialect(name: str, tokenizer: Tokenizer, python: str = "") -> Dialect:
    """The dialect of this name over `tokenizer`. Raises `FactoryError` where there is none of that name.

    `python` says what the Python tool does and lacks, after the dialect's own words on how it is called.
    """
    chosen = named(name)
    return chosen(tokenizer, python_description=chosen.describe(python)) if python else chosen(tokenizer)
