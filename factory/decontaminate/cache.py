"""Vectors already computed, on disk, keyed by model and text: nothing is embedded twice, not even across runs.

Append-only parts in one directory: each part is an array of 16-byte keys and the matrix of their vectors. Writers never
touch one another's parts (unique names, written aside and renamed), so any number of workers may share a directory.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
_KEY = np.dtype("S16")


class VectorCache:
    """Vectors of one model. Keeps keys in memory (16 bytes each), vectors memory-mapped on disk."""

    def __init__(self, directory: str | Path, model_key: str) -> None:
        self._directory = Path(directory) / hashlib.sha256(model_key.encode()).hexdigest()[:16]
        self._directory.mkdir(parents=True, exist_ok=True)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._parts: list[Vectors] = []
        for path in sorted(self._directory.glob("*.keys.npy")):
            self._open(path)

    def get(self, texts: list[str]) -> dict[int, npt.NDArray[np.float32]]:
        """The vectors known for `texts`, by position in it."""
        found = {}
        for i, text in enumerate(texts):
            place = self._places.get(_key(text))
            if place is not None:
                found[i] = self._parts[place[0]][place[1]]
        return found

    def put(self, texts: list[str], vectors: Vectors) -> None:
        """Remember the vectors of `texts`; one part file per call."""
        if not texts:
            return
        name = uuid.uuid4().hex
        keys = np.array([_key(text) for text in texts], dtype=_KEY)
        # The keys are what makes a part visible, so they come last.
        for suffix, array in (("vectors", vectors), ("keys", keys)):
            aside = self._directory / f".{name}.{suffix}.tmp"
            with aside.open("wb") as file:
                np.save(file, array)
            os.replace(aside, self._directory / f"{name}.{suffix}.npy")
        self._open(self._directory / f"{name}.keys.npy")

    def _open(self, path: Path) -> None:
        keys = np.load(path)
        self._parts.append(np.load(path.with_name(path.name.replace(".keys.", ".vectors.")), mmap_mode="r"))
        for row, key in enumerate(keys.view("V16")):
            self._places[key.tobytes()] = (len(self._parts) - 1, row)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
