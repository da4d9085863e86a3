"""Tokenizers of the model families, built from their control tokens, and what a model of each would write."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from factory.dialects.chat import Chat
from factory.dialects.chat_families import FAMILIES
from factory.dialects.tokenizer import ByteTokenizer
from factory.recipe import ChatSettings


class ModelTokenizer(ByteTokenizer):
    """One token per byte and control token, beside the other files of a model."""

    def __init__(self, directory: Path, control: list[str]) -> None:
        super().__init__(control)
        self.directory = directory


class _Asked(dict[str, int]):
    """Control tokens that appear as they are asked for, to learn which ones a renderer wants."""

    def __contains__(self, spelling: object) -> bool:
        self.setdefault(str(spelling), 256 + len(self))
        return True

    def __missing__(self, spelling: str) -> int:
        return self.setdefault(spelling, 256 + len(self))


class _Asking(ByteTokenizer):
    unk_token_id, eos_token_id, name_or_path = None, None, ""

    def __init__(self) -> None:
        super().__init__([])
        self.control = _Asked()

    def encode(self, text: str, **_: Any) -> list[int]:
        is_mark = text[:1] + text[-1:] in ("<>", "[]", "〈〉", "｜｜") and "\n" not in text and "><" not in text
        return [self.control[text]] if is_mark else super().encode(text)

    def decode(self, token_ids: Any, **_: Any) -> str:
        return ""

    def convert_tokens_to_ids(self, spelling: str) -> int:
        return self.control[spelling]


@cache
def control_of(family: str) -> tuple[str, ...]:
    """The control tokens that the renderer of a family takes from the tokenizer."""
    asking = _Asking()
    FAMILIES[family].renderer(asking, {})
    return tuple(dict.fromkeys([*asking.control, "<think>", "</think>"]))


def chat_of(family: str, directory: Path, **settings: Any) -> Chat:
    """The dialect for a model of a family that ships no template."""
    tokenizer = ModelTokenizer(directory, list(control_of(family)))
    return Chat(tokenizer, settings=ChatSettings(family=family, **settings))
