"""What is pushed to the Hub: the dataset of a run, or an exported view; its files, and the manifest last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.manifest import latest
from factory.store.run import RUN_FILE

_DATASET, _EXPORT = "dataset/", "manifest.json"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file with data: its key, bytes and SHA-256."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubContent:
    """Paths in the repository are keys without `root`. Paths that begin with one of `owned` are removed from the
    repository where the content has no such file; what others put beside them stays."""

    root: str
    files: Sequence[HubFile]
    small: Sequence[str]
    """Keys of the card and its pictures, and at the end the manifest."""
    owned: tuple[str, ...]
    title: str


def content_of(store: Store) -> HubContent:
    """Raises `FactoryError` where there is nothing finished to push."""
    if store.exists(RUN_FILE):
        return _dataset(store)
    if not store.exists(_EXPORT):
        raise FactoryError(
            f"nothing to push at {store.uri}",
            why="it holds neither a run nor a finished export",
            remedy="give the --out of a job or of `factory export`, and let it finish first",
        )
    return _export(store)


def _dataset(store: Store) -> HubContent:
    manifest = latest(store)
    if manifest is None:
        raise FactoryError(f"nothing is published at {store.uri}", remedy="run the job to its end first")
    beside = [entry.key for entry in store.list(_DATASET)]
    small = [key for key in beside if not key.removeprefix(_DATASET).startswith(("mode=", "_manifest/"))]
    return HubContent(
        _DATASET,
        [HubFile(shard.key, shard.bytes, shard.sha256) for shard in manifest.shards],
        [*small, manifest.key],
        ("mode=",),
        f"Version {manifest.version}: {manifest.report.published} traces, recipe {manifest.fingerprint}",
    )


def _export(store: Store) -> HubContent:
    manifest = json.loads(store.read(_EXPORT))
    files = [HubFile(file["key"], file["bytes"], file["sha256"]) for file in manifest["files"]]
    kept = {file.key for file in files}
    small = [e.key for e in store.list("") if e.key not in kept and not e.key.startswith("_") and e.key != _EXPORT]
    title = f"{manifest['view']}: {sum(manifest['funnel']['rows'].values())} rows, export {manifest['fingerprint']}"
    return HubContent("", files, [*small, _EXPORT], ("data/", "reports/"), title)
