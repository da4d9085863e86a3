"""JSON lines, as every command reads and writes them: a bad row costs itself and is named by file and line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from factory.errors import FactoryError


@dataclass(frozen=True, slots=True)
class JsonRow:
    """A line of the input: its object, and what is wrong with it where something is."""

    where: str
    """FILE:LINE, counted from 1."""
    values: dict[str, Any]
    """Empty if the line holds no object."""
    problem: str = ""

    @property
    def id(self) -> Any:
        return self.values.get("id")

    @property
    def error(self) -> str:
        """What a user is told of a bad row; empty for a good one."""
        return f"{self.where}: {self.problem}" if self.problem else ""


def read(
    path: str, check: Callable[[dict[str, Any]], str] = lambda values: "", *, remedy: str = "check the path"
) -> Iterator[JsonRow]:
    """The rows of a file, bad ones too, in order; blank lines are left out. The file is opened at once, then streamed.

    `check` says what is wrong with an object, if anything. Raises `FactoryError` with `remedy` where the file cannot be
    read.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (closed by the generator)
    except OSError as error:
        raise _unreadable(path, error, remedy) from None
    return _rows(path, file, check, remedy)


def _rows(path: str, file: IO[bytes], check: Callable[[dict[str, Any]], str], remedy: str) -> Iterator[JsonRow]:
    with file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _row(f"{path}:{number}", line, check)
        except OSError as error:
            raise _unreadable(path, error, remedy) from None


def _row(where: str, line: bytes, check: Callable[[dict[str, Any]], str]) -> JsonRow:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return JsonRow(where, {}, f"not JSON ({error})")
    if not isinstance(values, dict):
        return JsonRow(where, {}, "not a JSON object")
    return JsonRow(where, values, check(values))


def _unreadable(path: str, error: OSError, remedy: str) -> FactoryError:
    return FactoryError(f"cannot read {path}", why=error.strerror or str(error), remedy=remedy)


def lacks(values: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Which of `keys` are not there, as a row's problem; empty if none is missing."""
    missing = [key for key in keys if key not in values]
    return f"no {' and no '.join(missing)}" if missing else ""


def write(rows: Iterator[dict[str, Any]], out: str) -> None:
    """One JSON line each to the file `out`, or to standard output where that is `-`.

    What is wrong with the inputs shows before the output is touched. Raises `FactoryError` if it cannot be written.
    """
    row = next(rows, None)
    with _opened(out) as file:
        while row is not None:
            print(json.dumps(row), file=file, flush=out == "-")
            row = next(rows, None)


@contextmanager
def _opened(out: str) -> Iterator[TextIO]:
    if out == "-":
        yield sys.stdout
        return
    try:
        with Path(out).open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise FactoryError(f"cannot write {out}", why=error.strerror or str(error), remedy="check --out") from None
