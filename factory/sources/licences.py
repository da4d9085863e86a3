"""Refuses rows by their licence."""

from __future__ import annotations

from fnmatch import fnmatchcase

from factory.recipe import Source
from factory.records import Attribution, Problem, Reject, Thread, to_dict
from factory.sources.rows import STAGE, as_json

UNKNOWN = "unknown"


def refuse(row: Problem | Thread | Reject, source: Source) -> Problem | Thread | Reject:
    """The row itself, or its reject where the recipe refuses its licence.

    A thread is refused for any of its posts: every post reaches the curator's prompt.
    """
    if isinstance(row, Reject) or not source.refuse_licenses:
        return row
    for attribution in _attributions(row):
        licence = attribution.license or UNKNOWN
        pattern = next((p for p in source.refuse_licenses if fnmatchcase(licence.lower(), p.lower())), None)
        if pattern is not None:
            return Reject(
                id=row.id,
                kind=type(row).__name__.lower(),
                stage=STAGE,
                reason="licence_refused",
                detail=f"{licence} ({attribution.url or 'no url'}) is refused by {pattern!r}",
                row=as_json(to_dict(row)),
                position=row.position,
            )
    return row


def _attributions(row: Problem | Thread) -> list[Attribution]:
    if isinstance(row, Problem):
        return [row.attribution]
    return [post.attribution for post in (row.question, *row.answers)]
