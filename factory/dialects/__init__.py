"""Dialects: token-level chat formats. Knows records and the recipe; no engine, no network. Of a model's files it reads
the tokenizer, and for `chat` what is beside it.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence

from factory.dialects.chat import Chat
from factory.dialects.fenced import Fenced
from factory.dialects.harmony import Harmony
from factory.dialects.protocol import Dialect, DialectClass, Tokenizer
from factory.errors import FactoryError
from factory.recipe import ChatSettings
from factory.records import Mode

DIALECTS: dict[str, DialectClass] = {
    "harmony": Harmony,
    "fenced": Fenced,
    "chat": Chat,
}


def named(name: str) -> DialectClass:
    """A dialect by the name that a recipe gives it. Raises `FactoryError` if there is none of that name."""
    if name in DIALECTS:
        return DIALECTS[name]
    near = difflib.get_close_matches(name, DIALECTS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(DIALECTS)}"
    raise FactoryError(f"there is no dialect named {name!r}", remedy=hint)


def dialect(name: str, tokenizer: Tokenizer, python: str = "", chat: ChatSettings | None = None) -> Dialect:
    """The dialect of this name over `tokenizer`. Raises `FactoryError` if there is none of that name.

    `python` says what the Python tool does and lacks, after the dialect's own words on how it is called; `chat` are
    settings of the dialect of that name.
    """
    chosen = named(name)
    words = {"python_description": chosen.describe(python)} if python else {}
    return chosen(tokenizer, **words) if chat is None else Chat(tokenizer, settings=chat, **words)


def told_apart(dialect: Dialect, modes: Sequence[Mode]) -> None:
    """Raise `FactoryError` where a model would be asked in the same words for two modes."""
    asked = [(mode, dialect.prompt("2 + 2?", mode=mode, tool=False)) for mode in modes]
    for (mode, one), (other, same) in itertools.combinations(asked, 2):
        if one == same:
            raise FactoryError(
                f"the model cannot tell the modes {mode.value} and {other.value} apart",
                why="its chat format has the same prompt for both",
                remedy="sample one mode (`solve: {modes: [high]}`), or tell it the effort in words: "
                f"chat: {{effort: {{{mode.value}: {{sentence: ...}}, {other.value}: {{sentence: ...}}}}}}",
            )
