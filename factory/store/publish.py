"""From the journal to the dataset: publish each correct sample once, in a few large files; count all others.

Two passes over tasks that may run anywhere: partitions (what is published, sorted and counted), then shards (files of
the wanted size). Each task is committed by a marker, the version by its manifest, last. Nothing depends on when or
how often it runs: the same journal gives the same bytes under the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add
from typing import Protocol, TypeVar

from factory.arrow import SCHEMA_VERSION
from factory.errors import FactoryError
from factory.recipe import Publish
from factory.store.fs import Store
from factory.store.manifest import Manifest, RejectFile, latest
from factory.store.partition import REJECTS, PartitionTask, publish_partition
from factory.store.plan import PARTITION_BYTES, Partition, Plan, make_plan
from factory.store.report import PublishReport
from factory.store.run import Run
from factory.store.shards import shard_tasks, write_shard
from factory.store.view import View

Task = TypeVar("Task")
Result = TypeVar("Result")

Card = Callable[[Manifest], Mapping[str, bytes]]
"""Files to store beside the dataset, by name: README.md and its pictures."""
LEFTOVER_AGE = timedelta(days=7)
ROUNDS = 3


class Mapper(Protocol):
    """Runs a function over tasks, in any order and anywhere, and gives the results in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterable[Result]: ...


def in_process(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterable[Result]:
    """The simplest mapper: one task after the other, here."""
    return map(function, tasks)


def publish(
    run: Run,
    settings: Publish,
    view: View,
    *,
    mapper: Mapper = in_process,
    card: Card | None = None,
    partition_bytes: int = PARTITION_BYTES,
) -> Manifest:
    """Publish the journal's present state as a new version, unless it is published already; returns its manifest.

    `view` gives the published rows their form.
    Safe to kill and call again, and to call twice at once. The former version's files are removed after the new
    manifest is in place, so that a reader who lists the directory sees one version.
    """
    store = run.store
    plan, partitions = make_plan(run, settings, view, partition_bytes)
    for _ in range(ROUNDS):
        manifest = _published(store, plan)
        if manifest is not None:
            break
        try:
            _commit(store, _build(store, plan, partitions, mapper))
        except FileNotFoundError:
            continue  # another publisher of the same plan has finished and cleared its directory under our feet
    else:
        raise FactoryError(
            f"could not publish {store.uri}",
            why="files disappeared while they were published: another process publishes the same run",
            remedy="let one process publish at a time",
        )
    for name, data in (card(manifest) if card else {}).items():
        store.write(f"dataset/{name}", data)
    _sweep(store, plan)
    return manifest


def _build(store: Store, plan: Plan, partitions: list[Partition], mapper: Mapper) -> Manifest:
    """Do the work of both passes; the manifest that would commit it, with a version to be settled."""
    records = list(mapper(publish_partition, [PartitionTask(store, plan, partition) for partition in partitions]))
    return Manifest(
        version=1,
        plan=plan.id,
        fingerprint=plan.fingerprint,
        schema_version=SCHEMA_VERSION,
        settings=plan.settings.model_dump(mode="json"),
        shards=list(mapper(write_shard, list(shard_tasks(store, plan, records)))),
        rejects=[RejectFile(**record["rejects"]) for record in records],
        annotations=list(plan.annotations),
        keyed=plan.keyed,
        row_version=plan.row_version,
        report=reduce(add, (PublishReport.from_json(record["report"]) for record in records), PublishReport()),
    )


def _commit(store: Store, manifest: Manifest) -> None:
    before = latest(store)
    manifest = replace(manifest, version=before.version + 1 if before else 1)
    while not store.create(manifest.key, manifest.to_bytes()):
        manifest = replace(manifest, version=manifest.version + 1)


def _published(store: Store, plan: Plan) -> Manifest | None:
    """The newest version, if it is this plan's and all of its files are there."""
    manifest = latest(store)
    if manifest is None or manifest.plan != plan.id:
        return None
    there = {entry.key: entry.size for place in ("dataset/", REJECTS) for entry in store.list(place)}
    return manifest if all(there.get(file.key) == file.bytes for file in manifest.files) else None


def _sweep(store: Store, plan: Plan) -> None:
    """Remove what no longer counts: files of other versions, this plan's runs and markers, old plans never finished."""
    newest = latest(store)
    kept = {file.key for file in newest.files} if newest else set()
    for place in ("dataset/mode=", f"{REJECTS}part-"):
        for entry in store.list(place):
            if entry.key not in kept:
                store.delete(entry.key)
    oldest = datetime.now(UTC) - LEFTOVER_AGE
    for entry in store.list("publish/"):
        if entry.key.startswith(plan.directory) or entry.modified < oldest:
            store.delete(entry.key)
