"""Write a view of a finished run: `export.json` first, tables in parts, the manifest last.

Any number of tasks do a partition each, anywhere; a task is committed by a marker, the export by `manifest.json`.
Killed at any point, the same command goes on. Files are named by their content, and equal inputs give equal bytes. The
memory of a task is its partition's: about three times `PARTITION_BYTES`, however long the journal is.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from factory import settings
from factory.errors import FactoryError
from factory.records import Reject, Trace, Verdict
from factory.store.commit import commit, committed, new_attempt
from factory.store.fs import Store
from factory.store.pinned import check_unchanged, version_of
from factory.store.plan import Partition, cut
from factory.store.publish import Mapper, in_process
from factory.store.run import RUN_FILE, Run
from factory.views.card import card
from factory.views.files import ExportFile, TableFiles
from factory.views.funnel import Funnel
from factory.views.problem import SolvedProblem, solved_problems
from factory.views.split import split_of
from factory.views.view import Inputs, Options, View

PARTITION_BYTES = 128 << 20
"""Of journaled rows before compression, in one task."""
EXPORT_FILE, MANIFEST_FILE, MARKERS = "export.json", "manifest.json", "_unfinished/"
FORMAT = 1
"""Raised when the same journal would be exported in another form."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportManifest:
    """What an export consists of, what it was made from, and its funnel."""

    view: str
    options: dict[str, Any]
    fingerprint: str
    """Of view, options and inputs: exports of equal fingerprints have equal files."""
    inputs: dict[str, Any]
    funnel: Funnel
    files: list[ExportFile] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        values = {
            "view": self.view,
            "options": self.options,
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
            "funnel": self.funnel.to_json(),
            "files": [asdict(file) for file in self.files],
        }
        return _json(values)

    @staticmethod
    def from_bytes(data: bytes) -> ExportManifest:
        values = json.loads(data)
        values["funnel"] = Funnel.of(values["funnel"])
        values["files"] = [ExportFile(**file) for file in values["files"]]
        return ExportManifest(**values)


@dataclass(frozen=True, slots=True)
class ExportTask:
    """One partition to write. Pickles."""

    run: Store
    out: Store
    view: View[Any]
    options: Options
    inputs: Inputs
    fingerprint: str
    partition: Partition

    @property
    def marker(self) -> str:
        return f"{MARKERS}{self.fingerprint}-{self.partition.number:05d}.json"


def export(
    view: View[Any],
    uri: str,
    out: str,
    options: Options,
    *,
    mapper: Mapper = in_process,
    emit: Say = lambda line: None,
    partition_bytes: int = PARTITION_BYTES,
) -> ExportManifest:
    """Write `view` of the run at `uri` to `out`, unless it already exists; returns its manifest.

    Raises `FactoryError` for a run that is not published or has gone on since, options that cannot be met, and an
    `out` that holds something else.
    """
    run, store = Run.attach(uri), Store.open(out)
    manifest, digest = version_of(uri)
    journal = run.reader()
    check_unchanged(uri, journal, manifest)
    inputs = Inputs(uri, run.recipe)
    view.tables(options, inputs)  # raises what is wrong with the options before anything is written
    kinds: tuple[type, ...] = (Verdict, Reject, Trace)
    infos = {kind: journal.parts(kind) for kind in kinds}
    parts = sorted((info.entry.key, info.entry.size) for of_kind in infos.values() for info in of_kind)
    made_from = {
        "recipe": run.fingerprint,
        "version": manifest.version,
        "manifest": digest,
        "journal": hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        "partition_bytes": partition_bytes,
    }
    plan: dict[str, Any] = {
        "view": view.name,
        "options": settings.result_values(options),
        "inputs": made_from,
        "format": FORMAT,
    }
    fingerprint = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    _claim(store, plan | {"uri": uri, "fingerprint": fingerprint})
    if (finished := finished_at(store)) is not None:
        emit(f"{out} holds this export already")
        return finished
    partitions = cut(infos, partition_bytes)
    emit(f"{view.name} of {uri}, version {manifest.version}: {len(partitions):,} partitions")
    tasks = [ExportTask(run.store, store, view, options, inputs, fingerprint, partition) for partition in partitions]
    records = list(mapper(write_partition, tasks))
    funnel = Funnel.total(view.unit, (Funnel.of(record["funnel"]) for record in records))
    funnel.check()
    files = [ExportFile(**file) for record in records for file in record["files"]]
    done = ExportManifest(
        view=view.name,
        options=plan["options"],
        fingerprint=fingerprint,
        inputs=made_from | {"uri": uri},
        funnel=funnel,
        files=sorted(files, key=lambda file: file.key),
    )
    beside = view.documents(options, inputs, funnel)
    for name, data in (beside | {"README.md": card(view, options, done, manifest)}).items():
        store.write(name, data)
    store.write(MANIFEST_FILE, done.to_bytes())
    _sweep(store, done)
    return done


def write_partition(task: ExportTask) -> dict[str, Any]:
    """The marker's record of one partition: {"files": [], "funnel": {}}."""
    known = committed(task.out, task.marker)
    if known is not None:
        return known
    view, funnel = task.view, Funnel(task.view.unit)
    tables = view.tables(task.options, task.inputs)
    files: list[ExportFile] = []
    problems = solved_problems(task.run, task.partition, view.reads(task.options), funnel)
    for split, mine in _by_split(problems, task.options, funnel).items():
        with TableFiles(task.out, tables, split, task.partition.number) as written:
            for row in view.rows(mine, task.options, task.inputs, funnel):
                written.add(row)
                funnel.rows[row.table] += 1
            files += written.close()
    funnel.check()
    record = {"files": [asdict(file) for file in files], "funnel": funnel.to_json()}
    return commit(task.out, task.marker, record, new_attempt())


def finished_at(store: Store) -> ExportManifest | None:
    """The manifest of the export at `store`; None if it is not finished, or where files of it are missing."""
    try:
        manifest = ExportManifest.from_bytes(store.read(MANIFEST_FILE))
    except FileNotFoundError:
        return None
    there = {entry.key: entry.size for entry in store.list("data/")}
    return manifest if all(there.get(file.key) == file.bytes for file in manifest.files) else None


def _by_split(problems: Sequence[SolvedProblem], options: Options, funnel: Funnel) -> dict[str, list[SolvedProblem]]:
    """The wanted problems of each split. Counts all of them as read."""
    found: dict[str, list[SolvedProblem]] = defaultdict(list)
    for problem in problems:
        n = len(problem.samples) if funnel.unit == "traces" else 1
        funnel.read += n
        split = split_of(problem.id, options.fraction, options.hold_out)
        if split is None:
            funnel.leave("outside_fraction", n)
        elif options.split not in (None, split):
            funnel.leave("other_split", n)
        else:
            found[split].append(problem)
    return dict(sorted(found.items()))


def _claim(store: Store, plan: dict[str, Any]) -> None:
    """Make `store` the place of this export. Raises `FactoryError` if it holds a run or another export."""
    if store.exists(RUN_FILE):
        raise FactoryError(f"{store.uri} is a run", remedy=f"give --out a place of its own, such as {store.uri}-sft")
    if store.create(EXPORT_FILE, _json(plan)):
        return
    there = json.loads(store.read(EXPORT_FILE))
    if there["fingerprint"] != plan["fingerprint"]:
        lines = settings.difference(there, {**plan, "uri": there["uri"]})
        raise FactoryError(
            f"{store.uri} holds another export",
            why="it differs in:\n    " + "\n    ".join(line for line in lines if not line.startswith("fingerprint")),
            remedy="give --out another place, or delete what is there",
        )


def _sweep(store: Store, manifest: ExportManifest) -> None:
    """Remove the markers, and files that attempts left which did not come to be part of the export."""
    kept = {file.key for file in manifest.files}
    for place in ("data/", "reports/", MARKERS):
        for entry in list(store.list(place)):
            if entry.key not in kept:
                store.delete(entry.key)


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
