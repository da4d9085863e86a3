"""Tokenizers as dialects need them: text never becomes a control token, ids decode to exactly the bytes they stand for.

Knows a `tokenizer.json` file and the `tokenizers` library; no model, no transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer as RustTokenizer

from factory.dialects.protocol import Tokenizer
from factory.errors import FactoryError

_PROBE = "2 + 2 = 4:\n\tdef f(x):\n        return x ≤ ∑ é 数 🙂"


class HfTokenizer:
    """The tokenizer of a Hugging Face model directory, or of a `tokenizer.json` file.

    Every added token counts as a control token, also those that the file does not flag as special: a model that was
    taught `<tool_call>` as one token takes that token for structure. `required` names control tokens that must be
    there; a `FactoryError` lists the missing ones.
    """

    def __init__(self, path: str | Path, *, required: Iterable[str] = ()) -> None:
        file = Path(path)
        file = file / "tokenizer.json" if file.is_dir() else file
        self.directory = file.parent
        self._tokenizer = _load(file)
        added = self._tokenizer.get_added_tokens_decoder()
        self.control: dict[str, int] = {token.content: token_id for token_id, token in added.items()}
        self.strips_left = frozenset(token.content for token in added.values() if token.lstrip)
        self.strips_right = frozenset(token.content for token in added.values() if token.rstrip)
        self._control_ids = frozenset(self.control.values())
        require_control(self, required, str(file))
        if self.decode(self.encode(_PROBE)) != _PROBE:
            raise FactoryError(
                f"the tokenizer {file} does not give text back as it was",
                why="it changes spaces or drops characters, so a trace could not be read back from its token ids",
                remedy="use a byte-level tokenizer, such as that of gpt-oss, Qwen or Llama 3",
            )

    def encode(self, text: str) -> list[int]:
        return self._encode(text.encode("utf-8", "replace").decode())  # lone surrogates have no UTF-8

    def decode(self, token_ids: list[int]) -> str:
        text: str = self._tokenizer.decode(token_ids, skip_special_tokens=False)
        return text

    def _encode(self, text: str) -> list[int]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids: list[int] = encoding.ids
        if self._control_ids.isdisjoint(ids):
            return ids
        # The library was told to read control tokens as text; a vocabulary that also lists one among its ordinary
        # pieces gets here. Cut inside the spelling and the piece can't match.
        start, stop = next(span for span, i in zip(encoding.offsets, ids, strict=True) if i in self._control_ids)
        if stop - start < 2:
            raise FactoryError(
                f"the tokenizer reads {text[start:stop]!r} as a control token", remedy="use a byte-level tokenizer"
            )
        middle = (start + stop) // 2
        return self._encode(text[:middle]) + self._encode(text[middle:])


class ByteTokenizer:
    """One token per byte of UTF-8 and one per control token: for stored text whose model is not at hand, and tests."""

    def __init__(self, control: Sequence[str]) -> None:
        self.control: dict[str, int] = {spelling: 256 + i for i, spelling in enumerate(control)}
        self._spelling = {token_id: spelling.encode() for spelling, token_id in self.control.items()}

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8", "surrogatepass"))

    def decode(self, token_ids: list[int]) -> str:
        raw = b"".join(bytes([i]) if i < 256 else self._spelling[i] for i in token_ids)
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace")


def encode_markup(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a stored transcript in which control tokens stand as their spelling.

    Only for text that a trusted program wrote as a whole transcript. Prompts go through `encode`, where a spelling
    stays text.
    """
    ids: list[int] = []
    for piece in pattern(tuple(tokenizer.control)).split(text):
        token_id = tokenizer.control.get(piece)
        ids += tokenizer.encode(piece) if token_id is None else [token_id]
    return ids


def require_control(tokenizer: Tokenizer, required: Iterable[str], what: str = "the tokenizer") -> None:
    """Raise a `FactoryError` that names the control tokens which `tokenizer` lacks."""
    missing = [spelling for spelling in required if spelling not in tokenizer.control]
    if missing:
        raise FactoryError(
            f"{what} lacks the control token{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            why="the chat dialect marks its messages with them",
            remedy="choose the dialect that this model was trained in, or another model",
        )


@lru_cache(maxsize=8)
def pattern(spellings: tuple[str, ...]) -> re.Pattern[str]:
    """Matches, and captures, the longest of `spellings` at a place."""
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})" if spellings else r"(?!)")


def _load(file: Path) -> RustTokenizer:
    if not file.is_file():
        raise FactoryError(
            f"there is no tokenizer at {file}",
            why="a model directory holds its tokenizer as tokenizer.json",
            remedy="give the directory of a downloaded model, or the tokenizer.json file itself",
        )
    try:
        state = json.loads(file.read_bytes())
        for token in state.get("added_tokens") or []:
            token["special"] = True
        tokenizer = RustTokenizer.from_str(json.dumps(state))
    except Exception as error:  # the library raises bare Exception for a file it can't read
        raise FactoryError(f"cannot read the tokenizer {file}", why=" ".join(str(error).split())) from None
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
