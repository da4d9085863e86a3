"""Threads as JSON lines: AoPS discussions, and Stack Exchange threads as data sets derived from the dumps carry them.

AoPS: `forum_post` is the first post, `forum_discussions` the replies as one string, each headed `Post k:`.
Stack Exchange: `title`, `question_html`, `tags`, `answers` (a list with `id`, `html`, `score`), `accepted_answer_id`,
`duplicates`, `url`, `license`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from factory.recipe import Source
from factory.records import Attribution, Post, Reject, Thread
from factory.sources.bbcode import strip_quotes
from factory.sources.files import File, find
from factory.sources.jsonl import read_jsonl
from factory.sources.markdown import to_markdown
from factory.sources.posts import license_of
from factory.sources.rows import Place, Unfit, encodable, identity, rejected, word
from factory.sources.split import Split
from factory.sources.table import JSON_LINES, json_splits

_REPLY = re.compile(r"^Post (\d+):[ \t]*\r?\n", re.M)


def splits(source: Source) -> list[Split]:
    """Byte ranges of the files at a path."""
    files = find(source.path, is_thread_file, what=f"file of threads ({', '.join(JSON_LINES)})", name=source.name)
    return json_splits(source, files)


def is_thread_file(name: str) -> bool:
    return File(name, name, 0).format in JSON_LINES


def read(split: Split) -> Iterator[Thread | Reject]:
    """Every row of a split, as a thread or as a reject."""
    (file,), source = split.files, split.source
    build = aops if source.kind == "aops" else stack_exchange
    default = source.name or file.label.rsplit("/", 1)[-1]
    limits = {"max_bytes": source.max_row_mb << 20, "start": split.start}
    for item in read_jsonl(file, kind="thread", stop=split.stop, **limits):
        if isinstance(item, Reject):
            yield item
            continue
        row, place = item
        try:
            yield build(row, source, default, place)
        except Unfit as unfit:
            yield rejected(row, source.columns.id, place, unfit, kind="thread")


def aops(row: Mapping[str, Any], source: Source, default: str, place: Place) -> Thread:
    """A discussion, its replies without the quotes that repeat other posts. Formulas and markup stay as they are."""
    first = text_of(row, "forum_post")
    if not first.strip():
        raise Unfit("missing_problem", "no text in 'forum_post'")
    name = identity(row.get("id")) or place.id
    attribution = attribution_of(row, source)
    replies = [strip_quotes(reply) for reply in replies_of(text_of(row, "forum_discussions"))]
    return Thread(
        id=name,
        source=word(row, "source") or default,
        title=text_of(row, "title"),
        question=Post(id=name, text=first, attribution=attribution),
        answers=[
            Post(id=f"{name}/post-{number}", text=reply, attribution=Attribution(license=attribution.license))
            for number, reply in enumerate(replies, 1)
            if reply
        ],
        position=place.position,
    )


def replies_of(discussion: str) -> list[str]:
    """The replies of a discussion. A heading counts only if its number is the next one: posts quote headings."""
    starts: list[tuple[int, int]] = []
    for match in _REPLY.finditer(discussion):
        if int(match[1]) == len(starts) + 1:
            starts.append(match.span())
    if not starts:
        return [discussion] if discussion.strip() else []
    ends = [start for start, _ in starts[1:]] + [len(discussion)]
    return [discussion[begin:end].strip() for (_, begin), end in zip(starts, ends, strict=True)]


def stack_exchange(row: Mapping[str, Any], source: Source, default: str, place: Place) -> Thread:
    """A question with its answers, their HTML as Markdown."""
    body, title = to_markdown(text_of(row, "question_html")) or text_of(row, "question_text"), text_of(row, "title")
    if not body.strip() and not title.strip():
        raise Unfit("missing_problem", "no text in 'question_html', 'question_text' and 'title'")
    name, accepted = identity(row.get("id")) or place.id, identity(row.get("accepted_answer_id"))
    attribution = attribution_of(row, source)
    answers = [
        _answer(answer, number, name, accepted, attribution) for number, answer in enumerate(list_of(row, "answers"))
    ]
    return Thread(
        id=name,
        source=word(row, "source") or default,
        title=title,
        question=Post(id=name, text=body, score=score_of(row), attribution=attribution),
        answers=sorted(answers, key=lambda post: -post.score),
        tags=[tag for tag in list_of(row, "tags") if isinstance(tag, str)],
        duplicate_of=[identity(other) for other in list_of(row, "duplicates") if isinstance(other, str | int)],
        position=place.position,
    )


def _answer(row: Any, number: int, thread: str, accepted: str, question: Attribution) -> Post:
    if not isinstance(row, Mapping):
        raise Unfit("unreadable_row", f"answer {number} is a {type(row).__name__}, not an object")
    name = identity(row.get("id")) or f"{thread}/answer-{number}"
    return Post(
        id=name,
        text=to_markdown(text_of(row, "html")) or text_of(row, "text"),
        score=score_of(row),
        accepted=bool(accepted) and name == accepted,
        attribution=Attribution(
            license=word(row, "license") or question.license,
            url=word(row, "url"),
            user_name=word(row, "user_name"),
            user_url=word(row, "user_url"),
        ),
    )


def attribution_of(row: Mapping[str, Any], source: Source) -> Attribution:
    """Of the first post, by the column names of the source."""
    columns = source.columns
    dated = license_of(text_of(row, "creation_date")) if source.kind == "stackexchange" else None
    return Attribution(
        license=word(row, columns.license) or source.license or dated,
        url=word(row, columns.url),
        user_name=word(row, columns.user_name),
        user_url=word(row, columns.user_url),
    )


def text_of(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is not None and not isinstance(value, str):
        raise Unfit("unreadable_row", f"column {column!r} holds a {type(value).__name__}, not text")
    return encodable(value or "", "unreadable_row", f"column {column!r}")


def list_of(row: Mapping[str, Any], column: str) -> list[Any]:
    value = row.get(column)
    if value is not None and not isinstance(value, list):
        raise Unfit("unreadable_row", f"column {column!r} holds a {type(value).__name__}, not a list")
    return value or []


def score_of(row: Mapping[str, Any]) -> int:
    """Votes, 0 where none are given."""
    value = row.get("score")
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31 else 0
