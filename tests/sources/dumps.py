"""Small Stack Exchange dumps, written as the real ones are."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from factory.arrow import from_table, to_table
from factory.recipe import Source
from factory.records import Reject, Thread
from factory.sources import read, splits


def row(**attributes: object) -> bytes:
    """One `<row>` with its attributes escaped as in a dump."""
    spelled = (f"{name}={quoteattr(str(value), {chr(10): '&#xA;'})}" for name, value in attributes.items())
    return f"  <row {' '.join(spelled)} />".encode()


def question(number: int, **more: object) -> bytes:
    values = {"Id": number, "PostTypeId": 1, "CreationDate": "2015-01-01T00:00:00.000", "Score": 1}
    return row(**(values | {"Body": f"<p>question {number}</p>", "Title": f"title {number}"} | more))


def answer(number: int, parent: int, **more: object) -> bytes:
    values = {"Id": number, "PostTypeId": 2, "ParentId": parent, "CreationDate": "2019-01-01T00:00:00.000", "Score": 0}
    return row(**(values | {"Body": f"<p>answer {number}</p>"} | more))


def document(rows: list[bytes], root: str = "posts", end: bytes = b"\r\n") -> bytes:
    head = [b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>', f"<{root}>".encode()]
    return end.join([*head, *rows, f"</{root}>".encode()])


def everything(path: Path | str, **keys: object) -> tuple[list[Thread], list[Reject]]:
    """All rows of a dump, through all of its parts, checked against their schemas."""
    source = Source(kind="stackexchange", path=str(path), **keys)
    found = [item for split in splits(source) for item in read(split)]
    threads = [item for item in found if isinstance(item, Thread)]
    rejects = [item for item in found if isinstance(item, Reject)]
    assert from_table(Thread, to_table(Thread, threads)) == threads
    assert from_table(Reject, to_table(Reject, rejects)) == rejects
    return sorted(threads, key=lambda thread: thread.id), rejects


def posts_in(threads: list[Thread]) -> int:
    return sum(1 + len(thread.answers) for thread in threads)
