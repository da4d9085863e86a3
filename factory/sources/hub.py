"""Data sets of the Hugging Face hub as lists of files: `datasets` resolves the name, the other readers do the rest."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from factory.errors import FactoryError
from factory.recipe import Source
from factory.sources.files import File, locate

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")


def is_name(path: str) -> bool:
    """Whether a path that is nothing local has the form of a hub name: `owner/name`, or `owner/name:configuration`."""
    return bool(_NAME.fullmatch(path)) and not Path(path).exists() and not Path(path).parent.exists()


def files(source: Source) -> list[File]:
    """The data files of a hub name, at the revision that is current now."""
    name, _, configuration = source.path.partition(":")
    try:
        from datasets import load_dataset_builder
    except ImportError:
        raise FactoryError(
            f"cannot look up {source.path} on the hub",
            why="the package `datasets` is not installed",
            remedy="pip install datasets, or give a local path",
        ) from None
    try:
        builder = load_dataset_builder(name, configuration or None)
        by_split = {str(split): list(uris) for split, uris in (builder.config.data_files or {}).items()}
    except Exception as error:  # the library raises a dozen kinds for what a user can get wrong
        raise FactoryError(
            f"nothing to read at {source.path}",
            why=f"it is no local path, and as a name on the hub: {' '.join(str(error).split())}",
            remedy="check `path` of this source in the recipe",
        ) from None
    if source.split and source.split not in by_split:
        raise FactoryError(
            f"{source.path} has no split {source.split!r}", remedy=f"its splits are: {', '.join(by_split)}"
        )
    chosen = [source.split] if source.split else list(by_split)
    return [_file(source, split, uri) for split in chosen for uri in by_split[split]]


def _file(source: Source, split: str, uri: str) -> File:
    system, inner = locate(uri)
    label = f"{source.name or source.path.split('/')[-1]}/{split}/{PurePosixPath(uri).name.split('.')[0]}"
    return File(uri, label, system.get_file_info(inner).size)
