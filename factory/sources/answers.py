"""The reference answer that a column holds, as text: numbers, lists, and answers at the end of solutions."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from factory.sources.row_error import RowError, encodable
from factory.verify.extract import extract_answer

_LIST_OF_TEXT = re.compile(r"""\[\s*(["']).*\1\s*\]""", re.S)
_CONTROL = re.compile(r"[\x00-\x1f]")


def answer(value: Any, *, within: Literal["boxed", "hash"] | None = None, none: Iterable[str] = ()) -> str | None:
    """A reference answer as text; None if there is none: blank, NaN, or one of the words in `none`.

    Numbers are written out (`27.0` as `27`). A list of one is that answer, of several their list (`3, 4`); so is a list
    of texts that was stored as text (`["3", "4"]`), but not `[0, 1]`, which may be an interval. `within` says that the
    value is a solution, and where its answer stands. A mapping or truth value cannot be compared: `RowError`.
    """
    items = value if isinstance(value, list) else _listed(value) if isinstance(value, str) else None
    texts = [_text(item) for item in ([value] if items is None else items)]
    words = {word.casefold() for word in none}
    if within:
        texts = [_found(text, within) if text else None for text in texts]
    given = [text for text in texts if text and text.casefold() not in words]
    return ", ".join(given) or None


def _listed(text: str) -> list[str] | None:
    """The elements of a list of texts that was stored as text, by JSON or by Python; None if it is none."""
    text = text.strip()
    if not _LIST_OF_TEXT.fullmatch(text):
        return None
    try:
        items = json.loads(text) if text[1:].lstrip().startswith('"') else ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        items = None
    if isinstance(items, list) and all(isinstance(item, str) and not _CONTROL.search(item) for item in items):
        return items
    # LaTeX that nobody escaped: its `\\f` is no form feed
    quote, inner = text[1:-1].strip()[0], text[1:-1].strip()[1:-1]
    return None if quote in inner.replace(f"\\{quote}", "") else [inner]


def _found(solution: str, within: Literal["boxed", "hash"]) -> str | None:
    if within == "boxed":
        return extract_answer(solution)
    _, mark, after = solution.rpartition("####")
    return (after.strip().split("\n")[0].strip() or None) if mark else None


def _text(value: Any) -> str | None:
    """One answer of a row; None if it is blank or NaN."""
    if value is None or isinstance(value, str):
        return encodable((value or "").strip(), "bad_answer", "the answer") or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise RowError("bad_answer", f"the answer is a {type(value).__name__}, not text or a number")
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise RowError("bad_answer", "the answer is infinite")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    return format(exact, "f") if abs(exact.adjusted()) < 25 else str(value)
