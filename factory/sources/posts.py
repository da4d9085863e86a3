"""Builds a thread from the attributes of its dump rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from factory.records import Attribution, Post, Thread

Attributes = Mapping[str, str]
_INTEGER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class SiteOrigin:
    """Where a dump comes from: `prefix` begins the ids of its threads and posts, `site` is the host for urls."""

    prefix: str
    source: str
    site: str | None = None
    license: str | None = None

    def id(self, number: int | str) -> str:
        return f"{self.prefix}:{number}"


def thread(
    origin: SiteOrigin,
    question: Attributes,
    answers: list[Attributes],
    *,
    comments: Mapping[int, list[str]],
    duplicate_of: list[int],
    names: Mapping[str, str],
    position: str,
) -> Thread:
    """Join the rows of one thread, their `Body` as Markdown. Answers come by score, those of equal score by age.

    `comments` holds the texts on each post by the post's id, `names` what users call themselves by their ids.
    """
    accepted = question.get("AcceptedAnswerId")
    posts = [_post(origin, row, "a", comments, names, accepted=row["Id"] == accepted) for row in answers]
    return Thread(
        id=origin.id(question["Id"]),
        source=origin.source,
        title=question.get("Title", "").strip(),
        question=_post(origin, question, "questions", comments, names, accepted=False),
        answers=sorted(posts, key=lambda post: -post.score),
        tags=re.findall(r"[^<>|\s]+", question.get("Tags", "")),
        duplicate_of=[origin.id(number) for number in duplicate_of],
        position=position,
    )


def _post(
    origin: SiteOrigin,
    row: Attributes,
    page: str,
    comments: Mapping[int, list[str]],
    names: Mapping[str, str],
    *,
    accepted: bool,
) -> Post:
    user = row.get("OwnerUserId", "")
    base = f"https://{origin.site}" if origin.site else None
    return Post(
        id=origin.id(row["Id"]),
        text=row.get("Body", ""),
        score=_integer(row.get("Score", "")),
        accepted=accepted,
        comments=list(comments.get(int(row["Id"]), [])),
        attribution=Attribution(
            license=row.get("ContentLicense") or origin.license or license_of(row.get("CreationDate", "")),
            url=f"{base}/{page}/{row['Id']}" if base else None,
            user_name=row.get("OwnerDisplayName") or names.get(user),
            user_url=f"{base}/users/{user}" if base and user else None,
        ),
    )


def license_of(date: str) -> str | None:
    """The licence of a Stack Exchange post by its creation date (ISO 8601), for dumps that do not write it down.

    Source: Stack Exchange's licensing page (stackoverflow.com/help/licensing), which names the two days of change.
    """
    if not re.match(r"\d{4}-\d{2}-\d{2}", date):
        return None
    if date < "2011-04-08":
        return "CC BY-SA 2.5"
    return "CC BY-SA 3.0" if date < "2018-05-02" else "CC BY-SA 4.0"


def _integer(text: str) -> int:
    return int(text) if _INTEGER.fullmatch(text) else 0
