"""A published version of a run, for those who read its journal: which one, and whether the run has gone on since."""

from __future__ import annotations

import hashlib

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.manifest import DIRECTORY, Manifest, latest
from factory.store.reader import JournalReader


def version_of(uri: str, version: int | None = None) -> tuple[Manifest, str]:
    """The manifest of a version of the run at `uri`, by default the newest, and 16 hex digits of its SHA-256.

    Raises `FactoryError` if nothing is published, or not this version.
    """
    store = Store.open(uri)
    newest = latest(store)
    if newest is None:
        raise FactoryError(f"nothing is published at {uri}", remedy="run its job to its end first")
    try:
        data = store.read(f"{DIRECTORY}v{version or newest.version}.json")
    except FileNotFoundError:
        raise FactoryError(f"{uri} has no version {version}", why=f"its newest is {newest.version}") from None
    return Manifest.from_bytes(data), hashlib.sha256(data).hexdigest()[:16]


def check_unchanged(uri: str, journal: JournalReader, manifest: Manifest) -> None:
    """Raise `FactoryError` where the run has gone on since it was published."""
    now = sum(journal.count_rejects().values()) + journal.count_verdicts()
    then = sum(n for outcome, n in manifest.report.problems.items() if outcome != "unfinished")
    if now != then:
        raise FactoryError(
            f"{uri} has gone on since its version {manifest.version} was published",
            why=f"{then:,} problems and threads had ended then, {now:,} have now",
            remedy="start its job again, which publishes what it has, or name a newer version",
        )
