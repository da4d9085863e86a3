"""The three standard streams of a cell, made again for each cell over the session's descriptors."""

from __future__ import annotations

import io
import sys
from contextlib import suppress

from factory.sandbox.inside import libc

_EAGER_LINES = 200  # flushed one by one, so that a hard kill loses none; later ones in blocks, four times as fast


class Streams:
    """A cell's stdin, stdout and stderr. A cell may close or replace them; the next one gets its own."""

    def __init__(self) -> None:
        self.out, self.err = _Stream(1), _Stream(2)
        self._stdin = _stdin()

    def install(self) -> None:
        """Fresh streams in their places; the ones before where no new ones can be opened."""
        try:
            self.out, self.err, self._stdin = _Stream(1), _Stream(2), _stdin()
        except Exception:  # an audit hook of the cell's refuses, or memory is out
            self.out.be_eager()
            self.err.be_eager()
        sys.stdout = sys.__stdout__ = self.out  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = self.err  # type: ignore[misc]
        sys.stdin = self._stdin

    def flush(self) -> None:
        """Write out what the cell has printed, by Python or by C."""
        libc.flush()
        for stream in (sys.stdout, sys.stderr, self.out, self.err):
            with suppress(BaseException):  # closed, or replaced by something of the cell's that raises what it likes
                stream.flush()


class _Stream(io.TextIOWrapper):
    """A cell's stdout or stderr: always valid UTF-8 (a lone surrogate is shown as its escape)."""

    def __init__(self, fd: int) -> None:
        raw = open(fd, "wb", closefd=False)  # noqa: SIM115 (closed with this object)
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
        self._eager = _EAGER_LINES

    def be_eager(self) -> None:
        """Flush the next lines one by one, as those of a new cell."""
        self._eager = _EAGER_LINES

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._eager and "\n" in text:
            self._eager -= 1
            if not self._eager:
                self.reconfigure(line_buffering=False)
        return written


def _stdin() -> io.TextIOWrapper:
    return open(0, encoding="utf-8", closefd=False)
