"""Refuses rows by their licence."""

from __future__ import annotations

from fnmatch import fnmatchcase

from factory.recipe import Source
from factory.records import Attribution, Problem, Reject, Thread
from factory.sources.rows import STAGE

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
            detail = f"{licence} ({attribution.url or 'no url'}) is refused by {pattern!r}"
            return Reject.of(row, STAGE, "licence_refused", detail)
    return row


def _attributions(row: Problem | Thread) -> list[Attribution]:
    if isinstance(row, Problem):
        return [row.attribution]
    return [post.attribution for post in (row.question, *row.answers)]
