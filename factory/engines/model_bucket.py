"""Weights that lie in a bucket: fetched once per machine, whole or not at all, and checked by hash. Knows no engine.

A model in the run's own bucket asks no hub: a hundred machines that start at once are what buckets are made for. Beside
the files may lie `SHA256SUMS` (as `sha256sum *` writes it); what it names is checked byte for byte.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from factory.errors import FactoryError
from factory.store.fs import Entry, Store

CACHE_VARIABLE = "FACTORY_MODELS"
SUMS = "SHA256SUMS"
PIECE_BYTES = 64 << 20
STREAMS = 8  # files at once


def is_uri(model: str) -> bool:
    return "://" in model


def fetch(uri: str, patterns: list[str]) -> Path:
    """The directory on this machine that holds the files of `uri` that match `patterns`; fetches what is not there.

    Of several processes one fetches and the others wait. Raises `FactoryError` if nothing matches, where there is
    no room, and for a file that is not what `SHA256SUMS` says.
    """
    store = Store.open(uri)
    entries = [entry for entry in store.list() if any(fnmatch.fnmatch(entry.key, pattern) for pattern in patterns)]
    entries = [entry for entry in entries if "/" not in entry.key]
    if not entries:
        raise FactoryError(
            f"there is no model at {uri}", why=f"no file there is a {', '.join(patterns)}", remedy="check the URI"
        )
    place = _cache() / hashlib.sha256(f"{uri}\0{_listing(store, patterns)}".encode()).hexdigest()[:24]
    with _alone(place):
        missing = [entry for entry in entries if not _is_there(place / entry.key, entry)]
        if missing:
            _check_room(place, sum(entry.size for entry in missing))
            sums = _sums(store)
            with ThreadPoolExecutor(STREAMS) as pool:
                list(pool.map(lambda entry: _get(store, entry, place, sums.get(entry.key)), missing))
    return place


def _listing(store: Store, patterns: list[str]) -> str:
    """Changes when the weights in the bucket do, so that a cache never mixes two versions."""
    weights = [e for e in store.list() if "/" not in e.key and e.key.endswith((".safetensors", ".json"))]
    return "\n".join(f"{e.key} {e.size} {e.modified.isoformat()}" for e in weights)


def _cache() -> Path:
    """Beside the hub's cache, which clusters put onto their fast local disk."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get(CACHE_VARIABLE) or Path(home).expanduser().parent / "trace-factory" / "models")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process of this machine at a time. The kernel gives the lock back when its holder dies."""
    place.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_there(path: Path, entry: Entry) -> bool:
    return path.exists() and path.stat().st_size == entry.size


def _check_room(place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if needed > free:
        raise FactoryError(
            f"the model does not fit onto {place}",
            why=f"it takes {needed / 2**30:,.1f} GiB more, {free / 2**30:,.1f} GiB are free",
            remedy=f"set {CACHE_VARIABLE} (or HF_HOME) to a folder on a larger disk",
        )


def _sums(store: Store) -> dict[str, str]:
    """File name -> SHA-256 (hex), as far as the bucket says."""
    try:
        lines = store.read(SUMS).decode().splitlines()
    except FileNotFoundError:
        return {}
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return {name.lstrip("*").removeprefix("./"): digest.lower() for digest, name in pairs}


def _get(store: Store, entry: Entry, place: Path, expected: str | None) -> None:
    """One file, piece by piece; it has its name once it is whole, on disk and right."""
    digest, temporary = hashlib.sha256(), place / f".{entry.key}.tmp"
    with temporary.open("wb") as file:
        for start in range(0, entry.size, PIECE_BYTES):
            piece = store.read(entry.key, start, min(PIECE_BYTES, entry.size - start))
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if expected is not None and digest.hexdigest() != expected:
        temporary.unlink()
        raise FactoryError(
            f"{store.url(entry.key)} is not what {SUMS} says",
            why=f"its SHA-256 is {digest.hexdigest()}, there stands {expected}",
            remedy="upload the file again, or write that list anew",
        )
    os.replace(temporary, place / entry.key)
