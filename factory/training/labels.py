"""What is learnt of a trace: its generated tokens, and how a teacher's tokens become a student's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from factory.dialects.protocol import Tokenizer
from factory.errors import FactoryError
from factory.records import Origin

IGNORED = -100
"""The label of a token that is read and not learnt, as torch's cross entropy has it."""


def labels_of(token_ids: Sequence[int], mask: Sequence[int]) -> list[int]:
    """A label per token, not shifted: its own id where the model wrote it, `IGNORED` for prompt and tool output.

    The first token of a trace is never learnt, as nothing stands before it.
    """
    if len(token_ids) != len(mask):
        raise ValueError(f"{len(token_ids)} tokens with a mask of {len(mask)}")
    labels = [i if origin == Origin.GENERATED else IGNORED for i, origin in zip(token_ids, mask, strict=True)]
    return [IGNORED, *labels[1:]]


class Retokenizer:
    """The teacher's tokens as the student's: text for text, control tokens spelt out, as Nemotron-Math trained Qwen3.

    Each stretch of equal mask is decoded and encoded on its own, so that no token of the student crosses from what is
    read to what is learnt. `end` (the student's end of sequence) follows a trace that ended by itself, and is learnt.
    """

    def __init__(self, teacher: Tokenizer, student: Tokenizer, end: int) -> None:
        self._teacher, self._student, self._end = teacher, student, end

    def __call__(self, token_ids: list[int], mask: Sequence[int], *, ended: bool) -> tuple[list[int], list[int]]:
        """Student ids and mask. Raises `FactoryError` where the student's tokens do not spell the same text."""
        ids, origins = list[int](), list[int]()
        for origin, run in _runs(token_ids, mask):
            text = self._teacher.decode(run)
            new = self._student.encode(text)
            if self._student.decode(new) != text:
                raise FactoryError(
                    "the student's tokenizer cannot spell what the teacher wrote",
                    why=f"{text[:80]!r} comes back as {self._student.decode(new)[:80]!r}",
                    remedy="train a student with a byte-level tokenizer",
                )
            ids += new
            origins += [origin] * len(new)
        if ended:
            ids, origins = [*ids, self._end], [*origins, int(Origin.GENERATED)]
        return ids, origins


def tokenizer_digest(file: Path) -> str:
    """16 hex digits over what turns text into ids: equal where two tokenizers give every text the same ids."""
    state = json.loads(file.read_bytes())
    told = {key: state.get(key) for key in ("normalizer", "pre_tokenizer", "model")}
    told["added_tokens"] = [[token["id"], token["content"]] for token in state.get("added_tokens") or []]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _runs(token_ids: Sequence[int], mask: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    for origin, pairs in groupby(zip(token_ids, mask, strict=True), key=lambda pair: pair[1]):
        yield int(origin), [token for token, _ in pairs]
