"""A place that holds keys and bytes: the one view of `file://` and `s3://` that the rest of the store is written on.

A `Store` is opened from a URI and addressed by relative keys ("journal/traces/x.parquet"). Its promises, whatever is
below: a key is visible whole or not at all, `create` has one winner, and a failure that a user can fix is a
`FactoryError`. Transient failures are retried inside. A `Store` pickles as its URI and may be shared by threads.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from factory.errors import FactoryError


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored key: its size in bytes and when it was last written (UTC, by the store's clock)."""

    key: str
    size: int
    modified: datetime


class Store(ABC):
    """Keys and bytes under one URI. A key that is not there raises `FileNotFoundError`."""

    uri: str

    @staticmethod
    def open(uri: str | os.PathLike[str]) -> Store:
        """The store behind a path, `file://`, `s3://bucket/prefix` or `gs://bucket/prefix`. Touches nothing yet."""
        from factory.store.local import LocalStore

        text = os.fspath(uri)
        scheme, separator, rest = text.partition("://")
        if not separator:
            return LocalStore(Path(text))
        if scheme == "file":
            return LocalStore(Path(rest))
        if scheme in ("s3", "gs"):
            from factory.store.s3 import S3Store  # boto3 takes a while to import

            return S3Store(text)
        raise FactoryError(
            f"cannot store anything at {text}",
            why=f"{scheme}:// is not a kind of storage that the factory knows",
            remedy="give a path, file://..., s3://bucket/prefix or gs://bucket/prefix",
        )

    @abstractmethod
    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of `key`, or the range of `length` bytes from `start`."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Put `data` at `key`, whole or not at all, over whatever is there."""

    @abstractmethod
    def create(self, key: str, data: bytes) -> bool:
        """Put `data` at `key` if nothing is there. True if the key now holds what this call (or an equal one) put.

        A lost answer makes a client's own retry meet its first try, so `data` that must tell writers apart carries
        an attempt id. Of calls with different `data`, exactly one returns True.
        """

    @abstractmethod
    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Entries whose keys start with `prefix` and come after `after`, in the order of their keys."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove `key`; no error if it is not there."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes at `key`."""

    @abstractmethod
    def url(self, key: str) -> str:
        """The full path or URI of `key`, as other libraries open it."""

    @abstractmethod
    def _upload(self, path: Path, key: str) -> None:
        """Put the file at `path` to `key`, whole or not at all. The file may be moved away."""

    def _spool_directory(self, key: str) -> Path | None:
        """Where a big file is written before it is put in place; None for the machine's own temporary directory."""
        return None

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def sink(self, key: str) -> Iterator[IO[bytes]]:
        """A file to write something big to; it appears at `key` when the block ends, and not at all if it raises."""
        with self.spool(key) as spooled:
            yield spooled.file
            spooled.put(key)

    @contextmanager
    def spool(self, near: str) -> Iterator[SpoolFile]:
        """A temporary file near `near`, to be put under a key that is known when it has been written."""
        descriptor, name = tempfile.mkstemp(prefix=".spool-", suffix=".tmp", dir=self._spool_directory(near))
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield SpoolFile(self, path, file)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise FactoryError(
                f"cannot write {near}",
                why=f"{error.strerror or error} (through {path.parent})",
                remedy="make room on that file system, or point TMPDIR at one that has it",
            ) from error
        finally:
            path.unlink(missing_ok=True)

    def parquet(self, key: str, size: int | None = None) -> pq.ParquetFile:
        """An open Parquet file that reads only the ranges it is asked for. `size` saves a request if it is known."""
        reader = _Ranges(self, key, self.size(key) if size is None else size)
        return pq.ParquetFile(pa.PythonFile(reader, mode="r"), page_checksum_verification=True)

    def caveat(self) -> str | None:
        """In words, what may end the use of this place in the middle of a long run; None for nothing known."""
        return None

    def probe(self) -> None:
        """Find out before any work whether this place can be written and honours `create`.

        Raises `FactoryError` if it cannot; a store that silently ignores conditional writes would let two workers
        commit the same thing.
        """
        key = f"_probe/{uuid.uuid4().hex}"
        first, second = self.create(key, b"first"), self.create(key, b"second")
        kept = self.read(key)
        self.delete(key)
        if not first or second or kept != b"first":
            raise FactoryError(
                f"{self.uri} cannot hold a run",
                why="it overwrites a key that a conditional write (If-None-Match: *) must leave alone, "
                "so two writers could both believe that they committed",
                remedy="use storage that honours conditional writes (AWS S3, Ceph, MinIO, R2, GCS or a local path)",
            )


class SpoolFile:
    """A file on local disk on its way into a store."""

    def __init__(self, store: Store, path: Path, file: IO[bytes]) -> None:
        self._store, self._path, self.file = store, path, file

    def digest(self) -> tuple[str, int]:
        """SHA-256 (hex) and size in bytes of what was written so far."""
        self.file.flush()
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()

    def put(self, key: str) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self._store._upload(self._path, key)


class _Ranges(io.RawIOBase):
    """A stored object as a seekable file: each read is a ranged read of the store."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size, self._position = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        wanted = left if size < 0 else min(size, left)
        data = self._store.read(self._key, self._position, wanted) if wanted else b""
        self._position += len(data)
        return data


def checked(key: str) -> str:
    """`key`, if it stays below the store's root."""
    if key.startswith("/") or ".." in key.split("/") or not key:
        raise ValueError(f"not a key of a store: {key!r}")
    return key
