"""Writes a thread as a Stack Exchange dump and as an AoPS data set have it, and reads it back as the sources do."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from itertools import groupby

from factory.recipe import Source
from factory.records import Thread
from factory.sources import posts, thread_lines
from factory.sources.markdown import to_markdown
from factory.sources.rows import RowPlace
from jobs.demo.forum.threads import ForumThread, Site

Row = dict[str, str]
_DATE = "2023-{:02}-{:02}T09:{:02}:00.000"
_ORIGIN = posts.SiteOrigin(prefix="forum", source="forum")


@dataclass(slots=True)
class DumpRows:
    """The rows of one thread, as attributes."""

    question: Row
    answers: list[Row] = field(default_factory=list)
    comments: list[Row] = field(default_factory=list)


def dump_rows(thread: ForumThread, number: int) -> DumpRows:
    """`number` is the id of the question; those of its answers and comments count on from there."""
    date = _DATE.format(1 + number // 28 % 12, 1 + number % 28, number % 60)
    rows = DumpRows(
        {
            "Id": str(number), "PostTypeId": "1", "CreationDate": date, "Score": str(number % 9),
            "Body": _html(thread), "OwnerUserId": str(number % 37 + 1), "Title": thread.title,
            "Tags": f"<{thread.tag}>", "AnswerCount": str(len(thread.replies)), "ContentLicense": "CC BY-SA 4.0",
        }
    )  # fmt: skip
    rows.comments += [_comment(text, number, number * 20 + i) for i, text in enumerate(thread.comments)]
    for position, reply in enumerate(thread.replies, 1):
        own = number + position
        row = {
            "Id": str(own), "PostTypeId": "2", "ParentId": str(number), "CreationDate": date,
            "Score": str(reply.score), "Body": _paragraph(reply.text), "OwnerUserId": str(own % 41 + 1),
            "ContentLicense": "CC BY-SA 4.0",
        }  # fmt: skip
        rows.answers.append(row)
        rows.comments += [_comment(text, own, own * 20 + i) for i, text in enumerate(reply.comments)]
        if reply.accepted:
            rows.question["AcceptedAnswerId"] = row["Id"]
    return rows


def aops_row(thread: ForumThread, number: int) -> Row:
    """Replies quote the post that they answer now and then; readers of the format leave quotes out."""
    replies = [
        f"[quote]{thread.body[0][1]}[/quote]\n{reply.text}" if (number + position) % 4 == 0 else reply.text
        for position, reply in enumerate(thread.replies, 1)
    ]
    discussion = "\n\n".join(f"Post {position}:\n{text}" for position, text in enumerate(replies, 1))
    return {
        "id": f"aops-{number}",
        "title": thread.title,
        "forum_post": _markup(thread),
        "forum_discussions": discussion,
    }


def record(thread: ForumThread, site: Site, number: int = 1) -> Thread:
    """The thread as the source of its site reads it."""
    if site == "aops":
        source = Source(kind="aops", path="threads.jsonl")
        return thread_lines.aops(
            aops_row(thread, number), source, "forum", RowPlace("threads.jsonl:1", "threads.jsonl:1")
        )
    rows = dump_rows(thread, number)
    comments: dict[int, list[str]] = {}
    for row in rows.comments:
        comments.setdefault(int(row["PostId"]), []).append(row["Text"])
    question, *answers = ({**row, "Body": to_markdown(row["Body"])} for row in (rows.question, *rows.answers))
    return posts.thread(
        _ORIGIN, question, answers, comments=comments, duplicate_of=[], names={}, position="Posts.xml:1"
    )


def _html(thread: ForumThread) -> str:
    parts = []
    for style, group in groupby(thread.body, key=lambda block: block[0]):
        texts = [text for _, text in group]
        if style == "item":
            parts.append(
                "<ol>\n" + "".join(f"<li>{html.escape(text, quote=False)}</li>\n" for text in texts) + "</ol>\n"
            )
        elif style == "quote":
            parts += [f"<blockquote>\n{_paragraph(text)}</blockquote>\n" for text in texts]
        else:
            parts += [_paragraph(text) for text in texts]
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text, quote=False)}</p>\n"


def _comment(text: str, post: int, own: int) -> Row:
    return {"Id": str(own), "PostId": str(post), "Score": "0", "Text": text, "UserId": str(own % 43 + 1)}


def _markup(thread: ForumThread) -> str:
    parts, number = [], 0
    for style, text in thread.body:
        number = number + 1 if style == "item" else 0
        parts.append({"item": f"{number}. {text}", "quote": f"[quote]{text}[/quote]"}.get(style, text))
    return "\n".join(parts)
