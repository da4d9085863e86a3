"""Keeps the ids of several sources apart: of rows called after their file, and of rows with ids of their own."""

from __future__ import annotations

import dataclasses
from itertools import islice
from pathlib import PurePosixPath

from factory.errors import FactoryError
from factory.records import Problem, Reject, Thread
from factory.sources.files import File
from factory.sources.split import Split

_SAMPLE = 50


def tell_apart(found: list[list[Split]]) -> list[list[Split]]:
    """The splits of all sources, with file labels that no two sources share.

    Where two do, as with the `train-00000-of-00001` of every snapshot from the hub, the labels of both begin with as
    much of their folders as it takes. All others stay as they are, and with them the ids of their rows.
    """
    owners: dict[str, dict[int, File]] = {}
    for number, splits in enumerate(found):
        for file in (split.files[0] for split in splits if split.source.kind != "run"):
            owners.setdefault(file.label, {})[number] = file
    shared = {label: files for label, files in owners.items() if len({file.uri for file in files.values()}) > 1}
    longer: dict[int, int] = {}
    for label, files in shared.items():
        folders = [_folder(file, label) for file in files.values()]
        depth = next((n for n in range(1, 99) if len({f.parts[-n:] for f in folders}) == len(folders)), 0)
        for number in files:
            longer[number] = max(depth, longer.get(number, 0))
    return [
        [_relabelled(split, longer[number]) for split in splits] if longer.get(number) else splits
        for number, splits in enumerate(found)
    ]


def refuse_shared_ids(found: list[list[Split]]) -> None:
    """Raise `FactoryError` where the first rows of two sources already have an id in common, and are not the same."""
    from factory.sources import read  # the readers' room knows this file

    seen: dict[str, tuple[str, str]] = {}
    tables = [splits for splits in found if splits and splits[0].source.kind in ("table", "aops")]
    for splits in tables if len(tables) > 1 else []:
        source = splits[0].source
        origin = " ".join(filter(None, [source.name, source.path]))
        for row in islice(read(splits[0]), _SAMPLE):
            if isinstance(row, Reject):
                continue
            other, text = seen.setdefault(row.id, (origin, text_of(row).strip()))
            if other != origin and text != text_of(row).strip():
                raise shared_id(row.id, other, origin)


def shared_id(name: str, one: str, other: str) -> FactoryError:
    """The error of two sources in which an id stands for different problems."""
    return FactoryError(
        f"the id {name!r} stands for one problem in {one} and for another in {other}",
        why="ids name problems across all sources of a run, and only the first row of an id would stay",
        remedy="give both a `name` and `ids: named`, or `columns: {id: null}` to call rows after their files",
    )


def text_of(row: object) -> str:
    """What a problem or thread says."""
    return row.text if isinstance(row, Problem) else row.question.text if isinstance(row, Thread) else ""


def _folder(file: File, label: str) -> PurePosixPath:
    """The folder that a label is relative to."""
    folder = file.path.parent
    for _ in PurePosixPath(label).parts[1:]:
        folder = folder.parent
    return folder


def _relabelled(split: Split, depth: int) -> Split:
    file = split.files[0]
    label = "/".join([*_folder(file, file.label).parts[-depth:], file.label])
    return dataclasses.replace(split, files=(dataclasses.replace(file, label=label), *split.files[1:]))
