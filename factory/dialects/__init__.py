"""Dialects: token-level chat formats. Knows records; no engine, no network, no model file but its tokenizer."""

from __future__ import annotations

from factory.dialects.fenced import Fenced
from factory.dialects.harmony import Harmony
from factory.dialects.protocol import Dialect, Tokenizer
from factory.errors import FactoryError

_DIALECTS: dict[str, type[Harmony] | type[Fenced]] = {"harmony": Harmony, "fenced": Fenced}


def dialect(name: str, tokenizer: Tokenizer, python: str = "") -> Dialect:
    """The dialect of this name over `tokenizer`. A `FactoryError` names the dialects there are.

    `python` says what the Python tool does and lacks, after the dialect's own words on how it is called.
    """
    if name not in _DIALECTS:
        raise FactoryError(f"there is no dialect named {name!r}", remedy=f"choose one of {', '.join(_DIALECTS)}")
    kind = _DIALECTS[name]
    return kind(tokenizer, python_description=kind.describe(python)) if python else kind(tokenizer)
