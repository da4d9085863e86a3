"""Sources: threads and problems in. Knows records and recipe; every malformed row becomes a `Reject`.

`splits` cuts a source into parts that any machine can read on its own, `read` streams one part in bounded memory. Every
row of the input comes out exactly once, as a `Problem`, as a `Thread` or as a `Reject`, with an id that is the same in
every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Problem, Reject, StoredSample, Thread
from factory.settings import Strict
from factory.sources import dump, join, stored_run, table, thread_lines
from factory.sources.licences import refuse
from factory.sources.split import Split
from factory.sources.stored_run import pinned

__all__ = ["Split", "pinned", "read", "splits"]

RUN_KEYS = {"kind", "path", "what", "version", "digest", "where", "limit", "license", "refuse_licenses"}
"""What may be said of a source of kind `run`."""


def splits(source: Source) -> list[Split]:
    """The parts of a source. Raises `FactoryError` if there is nothing to read, or nothing that can be read."""
    if source.kind == "run":
        _refuse(source, _changed(source) - RUN_KEYS, "a run keeps its rows in a form of its own")
        return stored_run.splits(source)
    _refuse(source, _changed(source) & {"what", "version", "digest"}, "only a run has published versions")
    if source.ids == "named" and not source.name:
        raise FactoryError(
            f"the source {source.path} has `ids: named` and no name",
            why="its ids are to stand under its name",
            remedy="give it a `name`",
        )
    if source.kind == "table":
        return table.splits(source)
    _refuse_table_keys(source)
    if source.kind == "aops" or _names_thread_lines(source.path):
        return thread_lines.splits(source)
    return dump.splits(source)


def read(split: Split) -> Iterator[Problem | Thread | Reject | StoredSample]:
    """The rows of one part. Damaged data never raises; a storage that fails does, and the part can be read again."""
    for row in _reader(split)(split):
        yield row if isinstance(row, StoredSample) else refuse(row, split.source)


def _refuse_table_keys(source: Source) -> None:
    """Raise `FactoryError` for keys that have no effect on a source of threads."""
    is_lines = source.kind == "aops" or _names_thread_lines(source.path)
    works = {"id", "license", "url", "user_name", "user_url"} if is_lines else set()
    given = [f"columns.{key}" for key in _changed(source.columns) - works]
    given += _changed(source) & {"where", "answer_in", "none_answers", "fold_duplicates", "delimiter"}
    if source.ids == "named" and not is_lines:
        given.append("ids")
    _refuse(source, given, "the fields of a thread have fixed names, which docs/sources.md lists")


def _refuse(source: Source, given: Iterable[str], why: str) -> None:
    if given := sorted(given):
        raise FactoryError(
            f"{', '.join(given)}: not for a source of kind {source.kind}",
            why=why,
            remedy="leave the key out, or rename the fields of the data",
        )


def _changed(section: Strict) -> set[str]:
    fields = type(section).model_fields.items()
    return {name for name, field in fields if getattr(section, name) != field.get_default(call_default_factory=True)}


def _names_thread_lines(path: str) -> bool:
    """Whether a Stack Exchange source is threads as JSON lines instead of a dump."""
    return thread_lines.is_thread_file(path.partition("?")[0] if "://" in path else path)


def _reader(split: Split) -> Callable[[Split], Iterator[Problem | Thread | Reject | StoredSample]]:
    if isinstance(split, stored_run.RunSplit):
        return stored_run.read
    if split.source.kind == "table":
        return table.read
    return thread_lines.read if thread_lines.is_thread_file(str(split.files[0].path)) else join.read
