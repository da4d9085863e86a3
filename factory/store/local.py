"""Storage in a directory: whole-or-nothing writes by temporary file, fsync and rename; `create` by hard link.

`create` needs a file system with hard links (every usual local one, and NFS). Where links are refused, it falls back to
O_EXCL: still one winner, but a reader may then see the file while it is being written.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from factory.errors import FactoryError
from factory.store.fs import Entry, Store, checked

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class LocalStore(Store):
    """Files below one directory, which is made when the first key is written."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.uri = str(self.root)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self._explained(key), self._path(key).open("rb") as file:
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def write(self, key: str, data: bytes) -> None:
        with self._explained(key), self._written(key, data) as temporary:
            os.replace(temporary, self._path(key))

    def create(self, key: str, data: bytes) -> bool:
        target = self._path(key)
        with self._explained(key), self._written(key, data) as temporary:
            try:
                os.link(temporary, target)
                return True
            except FileExistsError:
                return target.read_bytes() == data
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _create_exclusively(target, data)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        # only the directory that the prefix names has to be walked
        top = self.root / prefix.rpartition("/")[0]
        with self._explained(prefix):
            keys = sorted(key for key in self._walk(top) if key.startswith(prefix) and key > after)
        for key in keys:
            with suppress(FileNotFoundError):  # deleted since it was listed
                status = self._path(key).stat()
                yield Entry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, key: str) -> None:
        with self._explained(key):
            path = self._path(key)
            path.unlink(missing_ok=True)
            with suppress(OSError):  # a directory that still holds something stays
                for directory in path.parents[: len(checked(key).split("/")) - 1]:
                    directory.rmdir()

    def size(self, key: str) -> int:
        with self._explained(key):
            path = self._path(key)
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            return path.stat().st_size

    def url(self, key: str) -> str:
        return str(self.root / key)

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _walk(self, top: Path) -> Iterator[str]:
        for directory, _, names in os.walk(top):
            where = Path(directory)
            for name in names:
                if not name.startswith("."):
                    yield (where / name).relative_to(self.root).as_posix()

    def _spool_directory(self, key: str) -> Path:
        with self._explained(key):
            directory = self._path(key).parent
            directory.mkdir(parents=True, exist_ok=True)
            return directory

    def _upload(self, path: Path, key: str) -> None:
        with self._explained(key):
            target = self._path(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)  # a rename: the spool is on the same file system
            _sync_directory(target.parent)

    @contextmanager
    def _written(self, key: str, data: bytes) -> Iterator[Path]:
        """`data` in a file beside `key` that survives a power cut; what the block does with it is made durable too."""
        target = self._path(key)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            with _opened_anew(temporary) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
            _sync_directory(target.parent)
        finally:
            with suppress(OSError):
                temporary.unlink()

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Errors of the file system that a user can fix, in words; a missing key stays a `FileNotFoundError`."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _explain(error, self.root, key) from error


def _create_exclusively(target: Path, data: bytes) -> bool:
    try:
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            return True
    except FileExistsError:
        return target.read_bytes() == data


def _opened_anew(path: Path) -> IO[bytes]:
    """A new file in a directory that is made first; a `delete` elsewhere may just have removed it as empty."""
    for _ in range(10):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return path.open("xb")
    return path.open("xb")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_REMEDIES: dict[int | None, str] = {
    errno.ENOSPC: "make room on that file system; what was written before is whole, and the same command goes on",
    errno.EDQUOT: "raise the quota or make room; what was written before is whole, and the same command goes on",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "give this user the right to write there, or choose another place",
    errno.EPERM: "give this user the right to write there, or choose another place",
    errno.ENOTDIR: "a file stands where a directory is needed; choose another place",
    errno.EEXIST: "a file stands where a directory is needed; choose another place",
    errno.EISDIR: "a directory stands where a file is needed; choose another place",
}


def _explain(error: OSError, root: Path, key: str) -> FactoryError:
    return FactoryError(
        f"cannot use {root} for {key or 'its files'}",
        why=f"{error.strerror or error} ({error.filename or root})",
        remedy=_REMEDIES.get(error.errno, "check the disk; the same command goes on once it works"),
    )
