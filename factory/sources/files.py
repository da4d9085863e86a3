"""Finds and opens input files: local paths, directories, globs and URIs, plain or compressed.

Everything goes through `pyarrow.fs`, so a local path and `s3://` take the same road. Damage inside a file is a
`BadData` for the reader to turn into a reject; a storage that cannot be reached is an ordinary OSError, so that whoever
runs the reader tries again.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from backports import zstd
from pyarrow import ArrowException, fs

from factory.errors import FactoryError

COMPRESSIONS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw)),
    ".bz2": lambda raw: cast(IO[bytes], bz2.BZ2File(raw)),
    ".zst": lambda raw: cast(IO[bytes], zstd.ZstdFile(raw)),
}
_DAMAGE = (EOFError, OSError, zlib.error, zstd.ZstdError)


class BadData(Exception):
    """The bytes of a file are not what its name says. `truncated` is set where the file merely ends too early."""

    def __init__(self, detail: str, *, truncated: bool = False) -> None:
        super().__init__(detail)
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class File:
    """One input file. `label` names it within its source and begins the ids of rows that have none of their own."""

    uri: str
    label: str
    size: int
    member: str = ""  # the file inside it that is meant, if it is an archive

    @property
    def path(self) -> PurePosixPath:
        """The address without the options that a URI may carry."""
        return PurePosixPath(self.uri.partition("?")[0] if "://" in self.uri else self.uri)

    @property
    def compression(self) -> str:
        """`.gz` and its like, in lower case; empty for a plain file."""
        suffix = self.path.suffix.lower()
        return suffix if suffix in COMPRESSIONS else ""

    @property
    def format(self) -> str:
        """The extension below the compression, in lower case and with its dot: `.jsonl` for `x.jsonl.gz`."""
        return PurePosixPath(self.path.name.lower().removesuffix(self.compression)).suffix

    @property
    def where(self) -> str:
        """What a person is told: the address, and the member of the archive."""
        return f"{self.uri}/{self.member}" if self.member else self.uri


def find(path: str, wanted: Callable[[str], bool], *, what: str, name: str | None = None) -> list[File]:
    """The files at `path`, in the order of their names.

    A file named outright is taken whatever it is called; `wanted` chooses by name among the files of a directory.
    `what` says in an error what was looked for. Nothing there is an error.
    """
    system, root = locate(path)
    try:
        found = list(_glob(system, root)) if _is_pattern(system, root) else list(_walk(system, root, wanted))
        exists = bool(found) or system.get_file_info(root).type != fs.FileType.NotFound
    except Exception as error:  # storages behind fsspec (hf://) raise errors of their own
        raise FactoryError(
            f"cannot list {path}",
            why=" ".join(str(error).split()),
            remedy="check the name, the region and endpoint in the URI, the credentials, and what they may read",
        ) from None
    if not found:
        raise FactoryError(
            f"nothing to read at {path}",
            why=f"the directory holds no {what}" if exists else f"no file or directory matches {root}",
            remedy="check `path` of this source in the recipe; relative paths start where the job is started",
        )
    found.sort(key=lambda info: info.path)
    base = PurePosixPath(os.path.commonpath([PurePosixPath(info.path).parent for info in found]))
    prefix = f"{name}/" if name else ""
    names = [PurePosixPath(info.path).relative_to(base) for info in found]
    stems = Counter(map(_stem, names))
    labels = [_stem(name) if stems[_stem(name)] == 1 else str(name) for name in names]  # a.csv beside a.jsonl
    files = [File(_uri(path, info.path), prefix + label, info.size) for info, label in zip(found, labels, strict=True)]
    _refuse_unreadable(files[0])
    return files


def _refuse_unreadable(file: File) -> None:
    """Raise `FactoryError` where a file may be listed but not read: it is known now, not when machines have started."""
    try:
        with open_raw(file) as raw:
            raw.read(1)
    except (StorageError, OSError) as error:
        raise FactoryError(
            f"{file.uri} may not be read",
            why=" ".join(str(error).split()),
            remedy="check its permissions, or what the credentials may read",
        ) from None


def exists(path: str) -> bool:
    """Whether there is a file or a directory at `path`."""
    system, root = locate(path)
    try:
        return bool(system.get_file_info(root).type != fs.FileType.NotFound)
    except (ArrowException, OSError):
        return False  # `find` then says why


def beside(file: File) -> list[File]:
    """The other files of a file's folder, by name; none if the folder may not be listed."""
    system, inner = locate(file.uri)
    try:
        found = system.get_file_info(fs.FileSelector(str(PurePosixPath(inner).parent)))
    except (ArrowException, OSError):
        return []
    files = sorted((info for info in found if info.type == fs.FileType.File), key=lambda info: info.path)
    return [
        File(_uri(file.uri, info.path), _stem(PurePosixPath(info.base_name)), info.size)
        for info in files
        if info.path != inner
    ]


def locate(path: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a path or URI, and the path inside it."""
    _refuse_address(path)
    try:
        if "://" not in path:
            return fs.LocalFileSystem(), str(Path(path).expanduser().absolute())
        return cast(tuple[fs.FileSystem, str], fs.FileSystem.from_uri(_with_patience(path)))
    except (ArrowException, ValueError, OSError) as error:
        raise FactoryError(
            f"cannot read from {path}",
            why=" ".join(str(error).split()),
            remedy="give a path, file://... or s3://bucket/key?region=...&endpoint_override=...",
        ) from None


def _refuse_address(path: str) -> None:
    """Raise `FactoryError` for what would be understood as something that nobody means."""
    scheme, _, rest = path.partition("://")
    if not path.strip():
        why, remedy = "an empty path would be every table below the working directory", "write `.` if that is meant"
    elif scheme in ("http", "https"):
        name = re.match(r"(?:www\.)?huggingface\.co/datasets/([^/?#]+/[^/?#]+)", rest)
        why = "a web address is not read"
        remedy = f"write the name on the hub: {name[1]}" if name else "download the file, and give its path"
    elif rest is not None and "://" in path and not rest.partition("?")[0].strip("/"):
        why, remedy = "it names no bucket and no folder", f"write {scheme}://bucket/folder"
    else:
        return
    raise FactoryError(f"cannot read from {path!r}", why=why, remedy=remedy)


def _with_patience(uri: str) -> str:
    """Google's client tries for 15 minutes if the recipe gives no other time; a task is tried again anyway."""
    if not uri.startswith(("gs://", "gcs://")) or "retry_limit_seconds" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}retry_limit_seconds=8"


def open_raw(file: File, start: int = 0) -> IO[bytes]:
    """The stored bytes of a file from `start`, as they are there. Seekable."""
    system, inner = locate(file.uri)
    stream = _Raw(system.open_input_file(inner))
    stream.seek(start)
    return cast(IO[bytes], io.BufferedReader(stream, buffer_size=1 << 20))


@contextmanager
def open_plain(file: File, start: int = 0) -> Iterator[IO[bytes]]:
    """The decompressed bytes of a file; `start` only if it is not compressed. Damage raises `BadData`."""
    with open_raw(file, start) as raw:
        yield cast(IO[bytes], _Decompressed(COMPRESSIONS[file.compression](raw))) if file.compression else raw


class StorageError(Exception):
    """The storage failed while a file was being read; the same read may succeed later."""


class _Raw(io.RawIOBase):
    """A pyarrow file as Python knows files. Its failures are told apart from those of a decompressor above it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._file.readinto(buffer))
        except OSError as error:
            raise StorageError(str(error)) from error

    def close(self) -> None:
        self._file.close()
        super().close()


class _Decompressed:
    """A decompressing stream that names damage as such."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        try:
            # `read` gathers several blocks, and would lose those before the damage
            return cast(bytes, cast(Any, self._stream).read1(size))
        except _DAMAGE as error:
            raise BadData(str(error), truncated=isinstance(error, EOFError)) from error


def _is_pattern(system: fs.FileSystem, root: str) -> bool:
    return bool(glob.has_magic(root)) and system.get_file_info(root).type == fs.FileType.NotFound


def _walk(system: fs.FileSystem, root: str, wanted: Callable[[str], bool]) -> Iterator[fs.FileInfo]:
    info = system.get_file_info(root)
    if info.type == fs.FileType.File:
        yield info
    elif info.type == fs.FileType.Directory:
        for entry in system.get_file_info(fs.FileSelector(root, recursive=True)):
            hidden = any(part.startswith((".", "_")) for part in PurePosixPath(entry.path).relative_to(root).parts)
            if entry.type == fs.FileType.File and not hidden and wanted(entry.base_name):
                yield entry


def _glob(system: fs.FileSystem, pattern: str) -> Iterator[fs.FileInfo]:
    fixed = PurePosixPath(*_before_magic(PurePosixPath(pattern)))
    selector = fs.FileSelector(str(fixed), recursive=True, allow_not_found=True)
    for entry in system.get_file_info(selector):
        if entry.type == fs.FileType.File and _matches(PurePosixPath(entry.path).parts, PurePosixPath(pattern).parts):
            yield entry


def _before_magic(pattern: PurePosixPath) -> list[str]:
    parts = []
    for part in pattern.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Shell matching, part by part; `**` stands for any number of directories."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _stem(path: PurePosixPath) -> str:
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    return str(plain.with_suffix("")) if plain.suffix else str(plain)


def _uri(given: str, inner: str) -> str:
    """The address of a file found under the path that the user gave, with the URI's scheme and options kept."""
    if "://" not in given:
        return inner
    scheme, rest = given.split("://", 1)
    options = rest.partition("?")[2]
    return f"{scheme}://{inner}" + (f"?{options}" if options else "")
