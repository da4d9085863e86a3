"""The frame format, and the refusal of everything that is not one."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.sandbox import frames


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text()), max_size=5), st.integers(1, 50))
def test_any_split_gives_the_same_messages(messages: list[dict[str, int | str]], step: int) -> None:
    stream = b"".join(frames.pack(message) for message in messages)
    buffer, taken = bytearray(), []
    for start in range(0, len(stream), step):
        buffer += stream[start : start + step]
        while (message := frames.take(buffer)) is not None:
            taken.append(message)
    assert taken == messages
    assert not buffer


def framed(body: bytes) -> bytearray:
    return bytearray(struct.pack(">I", len(body)) + body)


@pytest.mark.parametrize(
    "bad",
    [
        bytearray(struct.pack(">I", frames.MAX_REPLY + 1)),
        framed(b"{"),
        framed(b"[1]"),
        framed(b"\xff"),
        framed(b"[" * 60_000),
        framed(json.dumps("x").encode()),
    ],
)
def test_refuses(bad: bytearray) -> None:
    with pytest.raises(ValueError):
        frames.take(bad)


def test_a_lone_surrogate_survives() -> None:
    assert frames.take(bytearray(frames.pack({"code": "\ud800"}))) == {"code": "\ud800"}
