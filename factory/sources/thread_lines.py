"""Threads as JSON: AoPS discussions, and Stack Exchange threads as data sets derived from the dumps carry them.

AoPS: `forum_post` is the first post, `forum_discussions` the replies, as a list or as one text, each headed `Post k:`.
Stack Exchange: `title`; the question's HTML as `question_html` or `body`, or its text as `question_text`; `tags`;
`answers`, a list with `id` or `answer_id`, `html`, `body` or `text`, `score`, `comments`; `accepted_answer_id`;
`duplicates`. Both: `id`, `source`, `url`, `license`, `user_name`, `user_url`. docs/sources.md shows rows of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Attribution, Post, Reject, Thread
from factory.sources.bbcode import strip_quotes
from factory.sources.files import File, find
from factory.sources.markdown import to_markdown
from factory.sources.posts import license_of
from factory.sources.row_error import RowError, encodable
from factory.sources.rows import RowPlace, name_of, rejected, word
from factory.sources.rows import identity as id_of
from factory.sources.split import Split
from factory.sources.table import JSON_LINES, json_splits, read_json, sample

_REPLY = re.compile(r"^Post (\d+):[ \t]*\r?\n", re.M)
_DIGITS = re.compile(r"-?[0-9]{1,9}(?:\.0+)?")
_REPLIES = {"aops": "forum_discussions", "stackexchange": "answers"}
_TEXTS = {"aops": ("forum_post",), "stackexchange": ("title", "question_html", "body", "question_text")}


def splits(source: Source) -> list[Split]:
    """Byte ranges of the files at a path."""
    files = find(source.path, is_thread_file, what=f"file of threads ({', '.join(JSON_LINES)})", name=source.name)
    cut = json_splits(source, files)
    rows = [row for row in sample(source, files[0], "thread") if isinstance(row, Mapping)]
    if rows and not any(row.get(field) for row in rows for field in _TEXTS[source.kind]):
        seen = dict.fromkeys(name for row in rows for name in row)
        raise FactoryError(
            f"{files[0].uri} holds no threads of kind {source.kind}",
            why=f"no row has {' or '.join(map(repr, _TEXTS[source.kind]))}; there are: {', '.join(map(repr, seen))}",
            remedy=f"rename the fields (replies: {_REPLIES[source.kind]!r}; see docs/sources.md), or change `kind`",
        )
    return cut


def is_thread_file(name: str) -> bool:
    return File(name, name, 0).format in JSON_LINES


def read(split: Split) -> Iterator[Thread | Reject]:
    """Every row of a split, as a thread or as a reject."""
    (file,), source = split.files, split.source
    build: Callable[..., Thread] = aops if source.kind == "aops" else stack_exchange
    default = source.name or file.label.rsplit("/", 1)[-1]
    for item in read_json(split, "thread"):
        if isinstance(item, Reject):
            yield item
            continue
        row, place = item
        try:
            if not isinstance(row, Mapping):
                raise RowError("unreadable_row", "a JSON list, not an object")
            yield build(row, source, default, place)
        except RowError as unfit:
            yield rejected(row, source, place, unfit, kind="thread")


def aops(row: Mapping[str, Any], source: Source, default: str, place: RowPlace) -> Thread:
    """A discussion, its replies without the quotes that repeat other posts. Formulas and markup stay as they are."""
    first = text_of(row, "forum_post")
    if not first.strip():
        raise RowError("missing_problem", "no text in 'forum_post'")
    name = name_of(row, source, place)
    attribution = attribution_of(row, source)
    return Thread(
        id=name,
        source=word(row, "source") or default,
        title=text_of(row, "title"),
        question=Post(id=name, text=first, attribution=attribution),
        answers=[
            Post(id=f"{name}/post-{number}", text=reply, attribution=Attribution(license=attribution.license))
            for number, text in _numbered(row.get("forum_discussions"))
            if (reply := strip_quotes(text))
        ],
        position=place.position,
    )


def _numbered(discussion: Any) -> Iterator[tuple[int, str]]:
    """The replies with their numbers from 1; what stands before `Post 1:` has the number 0."""
    if isinstance(discussion, list):
        for number, post in enumerate(discussion, 1):
            yield number, _text_in(post, f"post {number} of 'forum_discussions'")
        return
    text = text_of({"forum_discussions": discussion}, "forum_discussions")
    first = next((match for match in _REPLY.finditer(text) if int(match[1]) == 1), None)
    begins_late = first is not None and bool(text[: first.start()].strip())
    yield from enumerate(replies_of(text), 0 if begins_late else 1)


def replies_of(discussion: str) -> list[str]:
    """The replies of a discussion. A heading counts only if its number is the next one: posts quote headings."""
    starts: list[tuple[int, int]] = []
    for match in _REPLY.finditer(discussion):
        if int(match[1]) == len(starts) + 1:
            starts.append(match.span())
    if not starts:
        return [discussion] if discussion.strip() else []
    ends = [start for start, _ in starts[1:]] + [len(discussion)]
    before = discussion[: starts[0][0]].strip()
    replies = [discussion[begin:end].strip() for (_, begin), end in zip(starts, ends, strict=True)]
    return [before, *replies] if before else replies


def stack_exchange(row: Mapping[str, Any], source: Source, default: str, place: RowPlace) -> Thread:
    """A question with its answers, their HTML as Markdown."""
    html, title = text_of(row, "question_html") or text_of(row, "body"), text_of(row, "title")
    body = to_markdown(html) or text_of(row, "question_text")
    if not body.strip() and not title.strip():
        raise RowError("missing_problem", "no text in 'question_html', 'body', 'question_text' and 'title'")
    name, accepted = name_of(row, source, place), id_of(row.get("accepted_answer_id"))
    attribution = attribution_of(row, source)
    answers = [
        _answer(answer, number, name, accepted, attribution) for number, answer in enumerate(list_of(row, "answers"))
    ]
    return Thread(
        id=name,
        source=word(row, "source") or default,
        title=title,
        question=Post(
            id=name, text=body, score=score_of(row), comments=_comments(row, "the question"), attribution=attribution
        ),
        answers=sorted(answers, key=lambda post: -post.score),
        tags=_tags(row.get("tags")),
        duplicate_of=[id_of(other) for other in list_of(row, "duplicates") if isinstance(other, str | int)],
        position=place.position,
    )


def _answer(row: Any, number: int, thread: str, accepted: str, question: Attribution) -> Post:
    if not isinstance(row, Mapping):
        raise RowError("unreadable_row", f"answer {number} is a {type(row).__name__}, not an object")
    own = id_of(row.get("id")) or id_of(row.get("answer_id"))
    return Post(
        id=own or f"{thread}/answer-{number}",
        text=to_markdown(text_of(row, "html") or text_of(row, "body")) or text_of(row, "text"),
        score=score_of(row),
        accepted=(bool(accepted) and own == accepted) or row.get("is_accepted") is True,
        comments=_comments(row, f"answer {number}"),
        attribution=Attribution(
            license=word(row, "license") or question.license,
            url=word(row, "url"),
            user_name=word(row, "user_name"),
            user_url=word(row, "user_url"),
        ),
    )


def _comments(row: Mapping[str, Any], where: str) -> list[str]:
    texts = [_text_in(comment, f"a comment on {where}") for comment in list_of(row, "comments")]
    return [text for text in texts if text.strip()]


def _text_in(post: Any, what: str) -> str:
    """The text of a reply or comment: it itself, or what stands under the name that it has in one data set or other."""
    if isinstance(post, Mapping):
        post = next((post[name] for name in ("text", "body", "content", "post", "html") if post.get(name)), "")
    if not isinstance(post, str):
        raise RowError("unreadable_row", f"{what} is a {type(post).__name__}, not text")
    return encodable(post, "unreadable_row", what)


def _tags(value: Any) -> list[str]:
    """Tags as a list, or as one text: `<algebra><limits>` or `|algebra|limits|`."""
    if isinstance(value, str):
        return re.findall(r"[^<>|,\s]+", encodable(value, "unreadable_row", "column 'tags'"))
    return [tag for tag in list_of({"tags": value}, "tags") if isinstance(tag, str)]


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
        raise RowError("unreadable_row", f"column {column!r} holds a {type(value).__name__}, not text")
    return encodable(value or "", "unreadable_row", f"column {column!r}")


def list_of(row: Mapping[str, Any], column: str) -> list[Any]:
    value = row.get(column)
    if value is not None and not isinstance(value, list):
        raise RowError("unreadable_row", f"column {column!r} holds a {type(value).__name__}, not a list")
    return value or []


def score_of(row: Mapping[str, Any]) -> int:
    """Votes, 0 if none are given. Some data sets write them as text, or as floats."""
    value = row.get("score")
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _DIGITS.fullmatch(str(value).strip()):
        return 0
    return int(float(value))
