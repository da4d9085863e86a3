"""Finds the files of Stack Exchange dumps and cuts each dump into parts that can be read side by side.

A dump is a folder of XML files, plain or compressed, or a .7z archive that holds them, or an archive for each. A part
holds the threads whose question id is its number modulo the number of parts. Every part scans all of the dump, which
runs at the speed of a disk, and does the slow work (parsing, joining, converting) for its own threads alone: no part
waits for another, none needs a place that all machines can write, and each can be read again anywhere.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import PurePosixPath

from factory.errors import FactoryError
from factory.recipe import Source
from factory.sources.files import BadData, File, beside, find, open_plain
from factory.sources.posts import SiteOrigin
from factory.sources.sevenzip import members, open_member
from factory.sources.split import Split
from factory.sources.xmlrows import Stream

TABLES = ("Posts", "Comments", "PostLinks", "Users")
PART_BYTES = 256 << 20
MAX_PARTS = 16
_PACKED = 5  # times that a dump is larger than its archive, roughly
_NAMED = re.compile(r"(?P<dump>.*?)(?P<table>Posts|Comments|PostLinks|Users)(?P<version>\.V[0-9.]+)?", re.I)
_SHARD = re.compile(r"(?:.*[^a-z])?(?:Posts|Comments|PostLinks|Users)[-_.]?[0-9]+", re.I)
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+(?:com|net|org)\b", re.I)


def splits(source: Source) -> list[Split]:
    """The parts of every dump at a path."""
    files = find(source.path, _belongs_to_a_dump, what="Posts.xml (or .xml.gz, .bz2, .zst, .7z)", name=source.name)
    if len(files) == 1:
        files = _with_siblings(files[0])
    groups: dict[tuple[str, str, str], dict[str, File]] = {}
    for file in files:
        for unpacked in _unpacked(file):
            groups.setdefault(_dump_of(unpacked), {}).setdefault(_table_of(unpacked) or "Posts", unpacked)
    dumps = [
        [group[name] for name in TABLES if name in group] for _, group in sorted(groups.items()) if "Posts" in group
    ]
    dumps = _once(source, dumps)
    if not dumps:
        raise FactoryError(
            f"nothing to read at {source.path}",
            why="it holds no Posts.xml",
            remedy="give the folder of a dump, its .7z archive, or the Posts file itself",
        )
    parts = [(dump, part, count) for dump in dumps for count in [_parts(dump, source)] for part in range(count)]
    return [
        Split(source=source, index=index, files=tuple(dump), start=part, stop=count)
        for index, (dump, part, count) in enumerate(parts)
    ]


def table(split: Split, name: str) -> File | None:
    """The file of a split that holds one of `TABLES`."""
    if name == "Posts":
        return split.files[0]
    return next((file for file in split.files[1:] if _table_of(file) == name), None)


def open_table(file: File) -> AbstractContextManager[Stream]:
    """The XML of one table."""
    return open_member(file, file.member) if file.member else open_plain(file)


def origin(split: Split) -> SiteOrigin:
    """What the ids, urls and attributions of a dump's threads begin with.

    The host is the recipe's, or one that stands in the path; without one there are no urls, and the dump's name or its
    folder's begins the ids.
    """
    return _origin(split.source, split.files[0])


def _origin(source: Source, posts: File) -> SiteOrigin:
    parts = [*posts.path.parts, *PurePosixPath(posts.member).parts]
    names = (part.removesuffix(".7z") for part in reversed(parts))
    site = source.site or next((match[0].lower() for match in map(_HOST.search, names) if match), None)
    folder, dump, inside = _dump_of(posts)
    prefix = site or source.name or dump.strip("_-. ") or inside or PurePosixPath(folder).name
    return SiteOrigin(prefix=prefix, source=source.name or prefix, site=site, license=source.license)


def _belongs_to_a_dump(name: str) -> bool:
    file = File(name, name, 0)
    return file.format == ".7z" or (
        file.format == ".xml" and (_table_of(file) is not None or bool(_SHARD.fullmatch(_stem(file.path.name))))
    )


def _table_of(file: File) -> str | None:
    """Which table a file holds, by its name: `Comments.xml.gz`, `site-Comments.7z`, `my_Comments.xml`."""
    match = _NAMED.fullmatch(_stem(PurePosixPath(file.member or file.path.name).name))
    return next(name for name in TABLES if name.lower() == match["table"].lower()) if match else None


def _dump_of(file: File) -> tuple[str, str, str]:
    """What the files of a dump have in common: directory, what stands before the table's name, folder in an archive."""
    stem = _stem(file.path.name)
    match = _NAMED.fullmatch(stem)
    inside = PurePosixPath(file.member).parent.name if file.member else ""
    return str(file.path.parent), match["dump"] if match else stem, inside


def _stem(name: str) -> str:
    return re.split(r"\.(?:xml|7z)(?:\.[a-z0-9]+)?$", name, maxsplit=1, flags=re.I)[0]


def _once(source: Source, dumps: list[list[File]]) -> list[list[File]]:
    """Each dump once, from its files where its archive is there too. Raises `FactoryError` if ids would collide."""
    by_prefix: dict[str, list[list[File]]] = {}
    for dump in dumps:
        by_prefix.setdefault(_origin(source, dump[0]).prefix, []).append(dump)
    chosen = []
    for prefix, group in by_prefix.items():
        plain = [dump for dump in group if not dump[0].member] or group
        if len(plain) > 1:
            raise FactoryError(
                f"the ids of two dumps would begin with {prefix!r}",
                why=f"they are {plain[0][0].where} and {plain[1][0].where}",
                remedy="give each as a source of its own, with its `site` or `name`, or take away the copy",
            )
        chosen += plain
    return chosen


def _with_siblings(file: File) -> list[File]:
    """A Posts file that was named outright, and the other tables that are beside it under the like name."""
    if _table_of(file) != "Posts":
        return [file]
    found: dict[str, File] = {}
    for other in beside(file):
        name = _table_of(other)
        if name and name != "Posts" and _dump_of(other)[1].lower() == _dump_of(file)[1].lower():
            alike = other.path.name.lower().endswith(file.path.suffix.lower())
            found[name] = other if alike else found.get(name, other)
    return [file, *found.values()]


def _unpacked(file: File) -> Iterator[File]:
    """The file itself, or the tables inside an archive. A damaged archive is left for the reader to reject."""
    if file.format not in (".7z", ".xml"):
        raise FactoryError(
            f"cannot read {file.uri} as a Stack Exchange dump",
            why=f"{file.format or 'no extension'!r} is not a format of a dump",
            remedy="a dump is .xml (also .gz, .bz2, .zst) or .7z; threads as JSON lines are .jsonl",
        )
    if _SHARD.fullmatch(_stem(file.path.name)):
        raise FactoryError(
            f"{file.uri} is a part of a table",
            why="tables of a dump that were cut into numbered files are not put together here",
            remedy="join the parts into one Posts.xml (and Comments.xml, ...)",
        )
    if file.format == ".xml":
        yield file
        return
    try:
        names = members(file)
    except BadData:
        names = ["Posts.xml"]
    for name in names:
        member = dataclasses.replace(file, member=name)
        if name.lower().endswith(".xml") and _table_of(member):
            yield member


def _parts(dump: list[File], source: Source) -> int:
    if source.limit:
        return 1
    posts = dump[0]
    size = posts.size * (_PACKED if posts.member or posts.compression else 1)
    return source.splits or min(MAX_PARTS, max(1, size // PART_BYTES))
