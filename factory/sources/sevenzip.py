"""A member of a .7z archive as a stream, in bounded memory.

py7zr pushes what it unpacks into a writer. A thread of its own runs it, and a short queue between the two stops it
whenever the reader is behind.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from factory.sources.files import BadData, File, StorageError, open_raw

_QUEUED = 16


def members(file: File) -> list[str]:
    """Paths inside the archive. Raises `BadData` if its index, which stands at the end, cannot be read."""
    with open_raw(file) as raw:
        try:
            with py7zr.SevenZipFile(raw) as archive:
                return list(archive.getnames())
        except StorageError:
            raise
        except Exception as error:  # py7zr lets through whatever its decoders raise on damaged input
            raise BadData(f"not a readable .7z archive: {error or type(error).__name__}") from error


@contextmanager
def open_member(file: File, member: str) -> Iterator[_Reader]:
    """The unpacked bytes of one member. Damage raises `BadData` from `read`, after what came before it."""
    channel = _Channel()
    thread = threading.Thread(target=_unpack, args=(file, member, channel), name="unpack-7z", daemon=True)
    thread.start()
    try:
        yield _Reader(channel)
    finally:
        channel.abandon()
        thread.join()


class _Channel:
    """Pieces on their way from the unpacking thread; an exception ends them, as does None."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(_QUEUED)
        self._abandoned = threading.Event()

    def put(self, piece: bytes | BaseException | None) -> None:
        while not self._abandoned.is_set():
            try:
                return self._pieces.put(piece, timeout=1)
            except queue.Full:
                continue
        raise _Abandoned

    def get(self) -> bytes | BaseException | None:
        return self._pieces.get()

    def abandon(self) -> None:
        self._abandoned.set()
        while not self._pieces.empty():
            self._pieces.get_nowait()


class _Abandoned(Exception):
    """Nobody reads any more."""


class _Reader:
    """The reading end, with as much of a file as the row splitters need."""

    def __init__(self, channel: _Channel) -> None:
        self._channel, self._done = channel, False

    def read(self, size: int) -> bytes:
        """The next piece, whatever its size; empty at the end."""
        piece = None if self._done else self._channel.get()
        if isinstance(piece, bytes):
            return piece
        self._done = True
        if piece is not None:
            raise piece
        return b""


class _Writer(Py7zIO):
    """What py7zr writes one member into."""

    def __init__(self, channel: _Channel) -> None:
        self._channel, self._size = channel, 0

    def write(self, s: bytes | bytearray) -> int:
        if s:
            self._channel.put(bytes(s))
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._size


class _Factory(WriterFactory):
    def __init__(self, channel: _Channel) -> None:
        self._channel = channel

    def create(self, filename: str) -> Py7zIO:
        return _Writer(self._channel)


def _unpack(file: File, member: str, channel: _Channel) -> None:
    """The thread's work: everything that goes wrong reaches the reader through the channel."""
    try:
        raw: IO[bytes]
        with open_raw(file) as raw, py7zr.SevenZipFile(raw) as archive:
            archive.extract(targets=[member], factory=_Factory(channel))
        end: BaseException | None = None
    except _Abandoned:
        return
    except StorageError as error:
        end = error
    except Exception as error:  # as in `members`
        end = BadData(f"damaged .7z archive: {error or type(error).__name__}")
    try:
        channel.put(end)
    except _Abandoned:
        return
