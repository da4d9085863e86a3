"""Write a stored conversation as a dialect's tokens: what a model would have seen and said, and who wrote each token.

A released dataset has messages and no tokens. What is written here is read again by the dialect and compared, so that
a conversation which the dialect cannot express is an error with its reason, never other words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from factory.dialects.calls import PYTHON
from factory.dialects.fenced import Fenced
from factory.dialects.fenced_text import fenced
from factory.dialects.harmony import Harmony
from factory.dialects.protocol import Dialect
from factory.errors import FactoryError
from factory.records import Message, Mode, Origin

_FINAL, _THOUGHT, _REMARK = "final", "analysis", "commentary"


class CannotWrite(Exception):
    """Why a conversation has no form in a dialect."""


class Written(NamedTuple):
    """A conversation as tokens: ids, an `Origin` for each, and the messages that the dialect reads in them."""

    token_ids: list[int]
    mask: list[int]
    messages: list[Message]


def check(dialect: Dialect) -> None:
    """Raise `FactoryError` for a dialect that writes no stored conversations."""
    if type(dialect) not in _WRITERS:
        names = " or ".join(sorted(kind.__name__.lower() for kind in _WRITERS))
        raise FactoryError(
            f"the dialect {dialect.name} does not write stored conversations", remedy=f"use one of {names}"
        )


def write(dialect: Dialect, messages: Sequence[Message], *, mode: Mode | None, tool: bool) -> Written:
    """One question with its system message, if any, and the assistant's turns with their tool outputs.

    Raises `CannotWrite` for any other conversation, and where the dialect does not read the same words back.
    """
    system, user, turns = _parts(messages)
    ids = dialect.prompt(user, mode=mode, tool=tool, system=system)
    mask = [Origin.PROMPT] * len(ids)
    for turn in turns:
        new = _WRITERS[type(dialect)](dialect, turn, turn is turns[-1])
        ids += new
        mask += [Origin.TOOL if turn.role == "tool" else Origin.GENERATED] * len(new)
    read = dialect.parse(ids, mask).messages
    said = [message for message in read if message.role in ("assistant", "tool")]
    if _words(said) != _words(turns):
        raise CannotWrite("read back, it has other words")
    return Written(ids, mask, read)


def _parts(messages: Sequence[Message]) -> tuple[str, str, list[Message]]:
    rest = list(messages)
    system = rest.pop(0).content if rest and rest[0].role in ("system", "developer") else ""
    if not rest or rest[0].role != "user":
        raise CannotWrite("it does not begin with a question")
    user, turns = rest[0].content, rest[1:]
    if any(turn.role not in ("assistant", "tool") for turn in turns):
        raise CannotWrite("it has more than one question")
    if not turns or turns[-1].role != "assistant" or turns[-1].tool_calls:
        raise CannotWrite("it does not end with words of the assistant")
    for before, turn in zip([None, *turns], turns, strict=False):
        waits = before is not None and bool(before.tool_calls)
        if waits != (turn.role == "tool"):
            raise CannotWrite("calls and tool outputs do not alternate")
    return system, user, turns


def _code(message: Message) -> str:
    calls = message.tool_calls or []
    if len(calls) != 1:
        raise CannotWrite(f"{len(calls)} calls in one message")
    try:
        code = json.loads(calls[0].function.arguments)["code"]
    except (ValueError, TypeError, KeyError):
        raise CannotWrite("the arguments of a call hold no code") from None
    if not isinstance(code, str):
        raise CannotWrite("the code of a call is no text")
    return code


def _harmony(dialect: Any, message: Message, last: bool) -> list[int]:
    """The assistant's messages of one turn; the first one's header stands already, opened by what came before it."""
    tokens, encode = dialect.tokens, dialect.tokenizer.encode
    if message.role == "tool":
        output = tokens.write(PYTHON, message.content, recipient="assistant", channel=_THOUGHT)
        return [*output, *tokens.open("assistant")]
    pieces: list[tuple[str, str, int]] = []
    if message.reasoning_content:
        pieces.append((_THOUGHT, message.reasoning_content, tokens.end))
    if message.content:
        pieces.append((_FINAL if last else _REMARK, message.content, tokens.return_ if last else tokens.end))
    if message.tool_calls:
        pieces.append((f"{_THOUGHT} to=python code", _code(message), tokens.call))
    if last and not message.content:
        raise CannotWrite("the last message has no content")
    ids: list[int] = []
    for number, (header, text, end) in enumerate(pieces):
        ids += tokens.open("assistant") if number else []
        ids += [tokens.channel, *encode(header), tokens.message, *encode(text), end]
    return ids


def _fenced(dialect: Any, message: Message, last: bool) -> list[int]:
    if message.role == "tool":
        return list(dialect.tokenizer.encode("\n" + fenced("output", message.content)))
    thought = f"<think>\n{message.reasoning_content}\n</think>\n\n" if message.reasoning_content else ""
    call = "\n" + fenced("python", _code(message)).rstrip("\n") if message.tool_calls else ""
    return [*dialect.tokenizer.encode(thought + message.content + call), *(dialect.stop_token_ids[:1] if last else [])]


_WRITERS: dict[type, Callable[[Any, Message, bool], list[int]]] = {Harmony: _harmony, Fenced: _fenced}


def _words(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Roles and words, without blanks and the marks of thinking."""
    found = []
    for message in messages:
        code = _code(message) if message.tool_calls else ""
        text = f"{message.reasoning_content or ''}{message.content}{code}"
        for mark in ("<think>", "</think>"):
            text = text.replace(mark, "")
        found.append((message.role, "".join(text.split())))
    return found
