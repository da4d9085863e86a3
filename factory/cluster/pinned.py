"""Which revision of each model a run uses: settled at its first start, so that day five serves the weights of day one.

A hub name without a revision means whatever its main branch holds when a machine asks; a directory, or a prefix of a
bucket, holds whatever was put there last. What the first start of a run finds is kept in the run, `models/*.json`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TypeVar

from factory import recipe as r
from factory.engines import model_files
from factory.store.fs import Store

DIRECTORY = "models/"

Run = TypeVar("Run", bound=r.RunRecipe)


def pin(recipe: Run, store: Store) -> Run:
    """The recipe with the revisions that this run uses.

    Raises `FactoryError` for a directory or bucket that holds other weights than the run began with. A directory that
    only the GPU machines see is left as it is.
    """
    pinned: dict[str, r.Teacher] = {
        role: teacher.model_copy(update={"revision": _revision(teacher, store)})
        for role, teacher in recipe.roles.items()
        if isinstance(teacher.engine, r.VllmSettings) and role in type(recipe).model_fields
    }
    return recipe.model_copy(update=pinned)


def _revision(teacher: r.Teacher, store: Store) -> str | None:
    asked = {"model": teacher.model, "asked": teacher.revision}
    key = f"{DIRECTORY}{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}.json"
    try:
        known: str = json.loads(store.read(key))["revision"]
    except FileNotFoundError:
        found = model_files.revision_of(teacher.model, teacher.revision)
        if found is not None:
            store.create(key, json.dumps(asked | {"revision": found}).encode())
        return found or teacher.revision
    if not model_files.on_hub(teacher.model):
        model_files.revision_of(teacher.model, known)  # raises if it is no longer the same
    return known
