"""`factory trace parse FILE.jsonl`: stored transcripts, as text, read back as messages in OpenAI form.

No model is needed: a transcript spells its control tokens, so bytes and control tokens are all the vocabulary there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from factory.arrow import to_dict
from factory.commands import jsonl
from factory.dialects.fenced import Fenced
from factory.dialects.fenced_text import fenced, segments
from factory.dialects.harmony import Harmony
from factory.dialects.harmony_message import CONTROL_TOKENS, END_OF_TEXT
from factory.dialects.protocol import Parsed
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.errors import FactoryError
from factory.programs.traces import final_answer
from factory.records import Message

_KEYS = ("harmony_text", "text", "generation")
_LABELS = {"code": "python", "execution": "output"}


def parse_file(path: str, dialect: str) -> Iterator[str]:
    """One line of JSON per row of `path`, in its order.

    A row holds its transcript under `harmony_text`, `text` or `generation`, or for the fenced dialect as `segments`
    (`{"role": "text" | "code" | "execution", "content"}`). A row that can't be read gives a line whose `error` names
    file and line. Raises `FactoryError` for a file that can't be read and for an unknown dialect.
    """
    if dialect not in _READERS:
        raise FactoryError(f"there is no dialect named {dialect!r}", remedy=f"choose one of {', '.join(_READERS)}")
    for row in jsonl.read(path, _check):
        yield json.dumps({"id": row.id, "error": row.error} if row.error else _parse(row, _READERS[dialect]))


Reader = Callable[[str], tuple[Parsed, bool]]


def read_harmony(text: str) -> tuple[Parsed, bool]:
    """A harmony transcript, and whether its messages joined again are the same text."""
    tokenizer = ByteTokenizer([*CONTROL_TOKENS, END_OF_TEXT])
    dialect = Harmony(tokenizer)
    ids = encode_markup(tokenizer, text)
    again = dialect.tokens.join(dialect.tokens.split(ids))
    return dialect.parse(ids), tokenizer.decode(again) == text


def read_fenced(text: str) -> tuple[Parsed, bool]:
    """A fenced transcript, with or without its prompt, and whether its blocks joined again are the same text."""
    chat = ("<|im_start|>", "<|im_end|>") if "<|im_start|>" in text else ()
    tokenizer = ByteTokenizer([*chat, "<|endoftext|>"])
    parsed = Fenced(tokenizer).parse(encode_markup(tokenizer, text))
    return parsed, "".join(s.raw for s in segments(text)) == text


_READERS: dict[str, Reader] = {"harmony": read_harmony, "fenced": read_fenced}


def _check(values: dict[str, Any]) -> str:
    return "" if _transcript(values) is not None else f"no text under {', '.join(_KEYS)} or segments"


def _parse(row: jsonl.Row, read: Reader) -> dict[str, Any]:
    parsed, same = read(_transcript(row.values) or "")
    return {
        "id": row.id,
        "messages": [_openai(message) for message in parsed.messages],
        "n_python_calls": parsed.n_python_calls,
        "n_tool_outputs": parsed.n_tool_outputs,
        "final_answer": final_answer(parsed),
        "truncated": parsed.truncated,
        "roundtrip": same,
        "problems": parsed.problems,
    }


def _transcript(row: dict[str, Any]) -> str | None:
    texts: list[str] = [row[key] for key in _KEYS if isinstance(row.get(key), str)]
    if texts:
        return texts[0]
    parts = row.get("segments")
    if not isinstance(parts, list) or not all(
        isinstance(p, dict) and isinstance(p.get("role"), str) and isinstance(p.get("content"), str) for p in parts
    ):
        return None
    return "".join(
        fenced(_LABELS[p["role"]], p["content"]) if p["role"] in _LABELS else p["content"].rstrip("\n") + "\n"
        for p in parts
    )


def _openai(message: Message) -> dict[str, Any]:
    """A message without the keys that say nothing."""
    return {key: value for key, value in to_dict(message).items() if value is not None}
