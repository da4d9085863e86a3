"""Looks into a file before it is read: what is not what its name says is an error in words, not a thousand rejects."""

from __future__ import annotations

from factory.errors import FactoryError
from factory.sources.files import BadData, File, open_plain, open_raw
from factory.sources.lines import BOM

_HEAD = 64 << 10
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "Zstandard", b"PK\x03\x04": "a zip archive"}
_TEXT = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xml")


def head(file: File) -> bytes:
    """What `beginning` reads, for a plan: a storage that fails is a `FactoryError` as well."""
    try:
        return beginning(file)
    except OSError as error:
        raise FactoryError(
            f"cannot open {file.uri}", why=" ".join(str(error).split()), remedy="check that the file may be read"
        ) from None


def beginning(file: File) -> bytes:
    """The beginning of the plain text of a file; empty if it cannot be had. Raises `FactoryError`, and `OSError`
    where the storage fails, after which the file can be read again.

    What is damaged is left for its reader to reject; what is whole, but something else, is refused here.
    """
    with open_raw(file) as raw:
        stored = raw.read(_HEAD)
    instead = disguise(stored)
    if instead and "git-lfs" in instead[0]:
        raise _refused(file, *instead)
    if file.format not in _TEXT:
        return b""
    text = stored
    if file.compression:
        try:
            with open_plain(file) as plain:
                text = plain.read(_HEAD)
        except BadData:
            return b""
    if instead := disguise(text):
        raise _refused(file, *instead)
    return text.removeprefix(BOM).lstrip()


def disguise(data: bytes) -> tuple[str, str] | None:
    """What data is that begins like this and should be text, and what to do about it."""
    if data.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, not the data", "fetch the data with: git lfs pull"
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            return f"it is {name}, whatever its name says", "unpack it, or name it rightly"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"
    if data.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page, perhaps of an error, not the data", "download it again"
    return None


def is_list(file: File, text: bytes) -> bool:
    """Whether JSON that begins with `text` is one list, not one row a line. Raises `FactoryError` for one object."""
    first = text.partition(b"\n")[0].strip()
    if first in (b"{", b"{}") and text[1:].strip():
        raise _refused(
            file,
            "it is one JSON document over several lines, not JSON lines",
            "write one object a line, for example with: jq -c . FILE > FILE.jsonl",
        )
    return text.startswith(b"[") and (file.format == ".json" or first in (b"[", b"[{") or first.endswith(b","))


def _refused(file: File, why: str, remedy: str) -> FactoryError:
    return FactoryError(f"cannot read {file.uri}", why=why, remedy=remedy)
