"""`factory trace parse FILE.jsonl`: stored transcripts, as text, read back as messages in OpenAI form.

No model is needed: a transcript spells its control tokens, so bytes and control tokens are all the vocabulary there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from factory.arrow import to_dict
from factory.commands import jsonl
from factory.dialects import named
from factory.dialects.fenced_text import fenced
from factory.dialects.protocol import DialectClass
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
    chosen = named(dialect)
    for row in jsonl.read(path, _check):
        yield json.dumps({"id": row.id, "error": row.error} if row.error else _parse(row, chosen))


def _check(values: dict[str, Any]) -> str:
    return "" if _transcript(values) is not None else f"no text under {', '.join(_KEYS)} or segments"


def _parse(row: jsonl.JsonRow, dialect: DialectClass) -> dict[str, Any]:
    parsed, same = dialect.read_text(_transcript(row.values) or "")
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
