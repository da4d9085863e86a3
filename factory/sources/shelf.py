"""Raw rows on local disk, put there in the order of a file and taken back by key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

Entry = tuple[int, bytes]  # offset in its file, and the row as it stands there
_BATCH = 500


class Shelf:
    """Tables of (key, entry) in a SQLite file of a temporary directory, which is gone after the `with`.

    SQLite sorts what is larger than memory; losing the file costs nothing but reading again, so it need not be safe.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self._folder = TemporaryDirectory(prefix="dump-")
        path = Path(self._folder.name) / "rows.sqlite"
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-32768"):
            self._database.execute(f"PRAGMA {pragma}")
        self._pending: dict[str, list[tuple[int, int, bytes]]] = {table: [] for table in tables}
        for table in self._pending:
            self._database.execute(f"CREATE TABLE {table} (key INTEGER, byte INTEGER, data BLOB)")
        self._database.execute("BEGIN")

    def put(self, table: str, key: int, byte: int, data: bytes) -> None:
        batch = self._pending[table]
        batch.append((key, byte, data))
        if len(batch) == _BATCH:
            self._write(table)

    def finish(self) -> None:
        """Make everything that was put findable. Nothing can be put afterwards."""
        for table in self._pending:
            self._write(table)
            self._database.execute(f"CREATE INDEX {table}_key ON {table} (key, byte)")
        self._database.execute("COMMIT")

    def get(self, table: str, key: int) -> list[Entry]:
        """The entries under a key, in the order of their file."""
        query = f"SELECT byte, data FROM {table} WHERE key = ? ORDER BY byte"
        return self._database.execute(query, (key,)).fetchall()

    def keys(self, table: str) -> Iterator[int]:
        """The keys of a table in ascending order."""
        return (int(key) for (key,) in self._database.execute(f"SELECT DISTINCT key FROM {table} ORDER BY key"))

    def groups(self, table: str) -> Iterator[tuple[int, list[Entry]]]:
        """Each key with its entries, in ascending order."""
        rows = self._database.execute(f"SELECT key, byte, data FROM {table} ORDER BY key, byte")
        for key, group in groupby(rows, key=lambda row: int(row[0])):
            yield key, [(byte, data) for _, byte, data in group]

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def _write(self, table: str) -> None:
        self._database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", self._pending[table])
        self._pending[table].clear()
