"""Bounds on what is kept of a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.sandbox.output import Output


def collect(limit: int, *chunks: bytes) -> str:
    output = Output(limit)
    for chunk in chunks:
        output.feed(chunk)
    return output.text()


def test_short_output_is_whole() -> None:
    assert collect(10, b"01234", b"56789") == "0123456789"


def test_head_and_tail_and_the_number_cut() -> None:
    assert collect(10, b"01234XXXXXX56789") == "01234\n... [6 characters cut] ...\n56789"


def test_characters_are_counted_not_bytes() -> None:
    assert collect(4, "ééZZZZéé".encode()) == "éé\n... [4 characters cut] ...\néé"


def test_a_character_split_between_chunks() -> None:
    data = "∑".encode()
    assert collect(10, data[:1], data[1:]) == "∑"


def test_an_unfinished_character_at_the_end() -> None:
    assert collect(10, b"a\xe2\x88") == "a\ufffd"


@given(st.lists(st.binary(max_size=200_000), max_size=8), st.integers(2, 1000))
def test_any_bytes_give_bounded_valid_text(chunks: list[bytes], limit: int) -> None:
    text = collect(limit, *chunks)
    text.encode("utf-8")
    whole = b"".join(chunks).decode("utf-8", "replace")
    if len(whole) <= limit:
        assert text == whole
    else:
        head, tail = limit - limit // 2, limit // 2
        assert text == f"{whole[:head]}\n... [{len(whole) - limit} characters cut] ...\n{whole[-tail:]}"
