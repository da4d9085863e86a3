"""Joins one part of a Stack Exchange dump into threads, in bounded memory.

An answer may stand gigabytes behind its question, so the part's rows go to a shelf on local disk first, as they are,
and come back thread by thread. Only what comes back is parsed. The shelf takes about as much space as the part's share
of the dump; TMPDIR says where.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from factory.records import Reject, Thread
from factory.sources.assign import Assignment, IdSet
from factory.sources.dump import open_table, origin, table
from factory.sources.markdown import to_markdown
from factory.sources.posts import Attributes, thread
from factory.sources.row_error import RowError
from factory.sources.rows import STAGE, as_json, raw_as_json
from factory.sources.shelf import Entry, Shelf
from factory.sources.split import Split
from factory.sources.xmlrows import Piece, parse, pieces

_KINDS = {"Posts": "post", "Comments": "comment", "PostLinks": "link", "Users": "user"}
_DUPLICATE = "3"  # the LinkTypeId that marks a duplicate


def read(split: Split) -> Iterator[Thread | Reject]:
    """The threads of one part of a dump, by question id, and a reject for every row that belongs to none.

    Over all parts, each row of Posts and Comments is in exactly one thread or is exactly one reject. Links that mark no
    duplicate are left out; a row of Users that cannot be read costs no more than a name.
    """
    with Shelf(_KINDS) as shelf:
        part = _Part(split, shelf)
        yield from part.load()
        yield from part.threads()


class _Row(NamedTuple):
    """A row that parsed; `text` is the Markdown of a post that is kept."""

    attributes: Attributes
    piece: Piece
    text: str = ""

    def post(self) -> Attributes:
        return {**self.attributes, "Body": self.text}


class _Part:
    """One part of a dump on its way over the shelf."""

    def __init__(self, split: Split, shelf: Shelf) -> None:
        self._split, self._shelf = split, shelf
        self._origin = origin(split)
        self._declarations: dict[str, bytes] = {}  # by table: what a row needs before it to be parsed
        self._joined = IdSet()  # posts of which the comments were taken

    def load(self) -> Iterator[Reject]:
        """Put the part's rows on the shelf; what belongs to no post is a reject."""
        assignment = Assignment(self._split.start, self._split.stop or 1)
        assign = {"Posts": assignment.post, "Comments": assignment.comment}
        assign |= {"PostLinks": assignment.link, "Users": assignment.user}
        for name, file in ((name, table(self._split, name)) for name in assign):
            if file is None:
                continue
            with open_table(file) as stream:
                for piece in pieces(stream, max_bytes=self._split.source.max_row_mb << 20):
                    self._declarations[name] = piece.declaration or self._declarations.get(name, b"")
                    mine, key = assign[name](piece)
                    if mine and key is not None and not piece.fault:
                        self._shelf.put(name, key, piece.byte, piece.data)
                    elif mine:
                        yield from self._without_post(name, piece)
        self._shelf.finish()

    def threads(self) -> Iterator[Thread | Reject]:
        """Join what was loaded, thread by thread."""
        for number, entries in self._shelf.groups("Posts"):
            yield from self._thread(number, entries)
        for post in self._shelf.keys("Comments"):
            if post not in self._joined:
                for row in self._rows("Comments", self._shelf.get("Comments", post)):
                    yield self._reject("Comments", row, "orphan_comment", f"its post {post} is in no thread")

    def _thread(self, number: int, entries: list[Entry]) -> Iterator[Thread | Reject]:
        """One thread out of all rows that say they belong to question `number`."""
        question: _Row | None = None
        answers: dict[str, _Row] = {}
        for row in self._rows("Posts", entries):
            if isinstance(row, Reject):
                yield row
                continue
            kind, identity = row.attributes.get("PostTypeId"), row.attributes.get("Id", "")
            own = identity if kind == "1" else row.attributes.get("ParentId", "")
            if kind in ("1", "2") and (not identity.isdecimal() or not own.isdecimal() or int(own) != number):
                yield self._reject("Posts", row, "malformed_row", "no Id, or an answer without ParentId")
            elif kind not in ("1", "2"):
                yield self._reject("Posts", row, "other_post_type", f"PostTypeId {kind} is no question and no answer")
            elif kind == "1" and not (row.attributes.get("Body", "") + row.attributes.get("Title", "")).strip():
                yield self._reject("Posts", row, "missing_problem", "neither Body nor Title holds text")
            elif identity in answers or (kind == "1" and question):
                yield self._reject("Posts", row, "duplicate_id", f"another post {identity} came before")
            else:
                try:
                    post = row._replace(text=to_markdown(row.attributes.get("Body", "")))
                except RowError as unfit:
                    yield self._reject("Posts", row, unfit.reason, unfit.detail)
                    continue
                if kind == "1":
                    question = post
                else:
                    answers[identity] = post
        if question is None:
            for row in answers.values():
                detail = f"its question {number} is not in the dump, or was rejected"
                yield self._reject("Posts", row, "orphan_answer", detail)
        else:
            yield from self._joined_thread(number, question, list(answers.values()))

    def _joined_thread(self, number: int, question: _Row, answers: list[_Row]) -> Iterator[Thread | Reject]:
        comments: dict[int, list[str]] = {}
        for post in (number, *(int(answer.attributes["Id"]) for answer in answers)):
            self._joined.add(post)
            for row in self._rows("Comments", self._shelf.get("Comments", post)):
                if isinstance(row, Reject):
                    yield row
                else:
                    comments.setdefault(post, []).extend(filter(str.strip, [row.attributes.get("Text", "")]))
        duplicate_of: list[int] = []
        for row in self._rows("PostLinks", self._shelf.get("PostLinks", number)):
            if isinstance(row, Reject):
                yield row
            elif row.attributes.get("LinkTypeId") == _DUPLICATE and row.attributes.get("RelatedPostId", "").isdecimal():
                duplicate_of.append(int(row.attributes["RelatedPostId"]))
        yield thread(
            self._origin,
            question.post(),
            [answer.post() for answer in answers],
            comments=comments,
            duplicate_of=duplicate_of,
            names=self._names([question, *answers]),
            position=self._position("Posts", question.piece),
        )

    def _names(self, posts: list[_Row]) -> dict[str, str]:
        """What the users who wrote these posts call themselves."""
        names = {}
        for user in {row.attributes.get("OwnerUserId", "") for row in posts}:
            for row in self._rows("Users", self._shelf.get("Users", int(user)) if user.isdecimal() else []):
                if isinstance(row, _Row):
                    names[user] = row.attributes.get("DisplayName", "")
        return names

    def _rows(self, name: str, entries: list[Entry]) -> Iterator[_Row | Reject]:
        """Entries of the shelf, parsed; a reject for what does not parse and for what comes after a row."""
        declaration = self._declarations.get(name, b"")
        for byte, data in entries:
            yield from self._parsed(name, Piece(data, byte, declaration=declaration))

    def _parsed(self, name: str, piece: Piece) -> Iterator[_Row | Reject]:
        try:
            attributes, behind = parse(piece)
        except RowError as unfit:
            yield self._reject(name, piece, unfit.reason, unfit.detail)
            return
        yield _Row(attributes, piece)
        if behind:
            rest = Piece(behind, piece.byte + piece.data.rindex(behind))
            yield self._reject(name, rest, "malformed_row", "text between two rows")

    def _without_post(self, name: str, piece: Piece) -> Iterator[Reject]:
        """Rejects for a piece that could not be put on the shelf."""
        reason, detail = "malformed_row", "no Id" if name == "Posts" else "no PostId"
        if name == "Comments" and b"PostId" in piece.data:
            reason, detail = "orphan_comment", "its post is not in the dump"
        for row in self._parsed(name, piece):
            yield row if isinstance(row, Reject) else self._reject(name, row, reason, detail)

    def _reject(self, name: str, row: _Row | Piece | Reject, reason: str, detail: str) -> Reject:
        if isinstance(row, Reject):
            return row
        piece, attributes = (row, None) if isinstance(row, Piece) else (row.piece, row.attributes)
        has_id = name == "Posts" and attributes is not None and "Id" in attributes
        return Reject(
            id=self._origin.id(attributes["Id"] if has_id and attributes else f"{name}:{piece.byte}"),
            kind=_KINDS[name] if piece.data else "file",
            stage=STAGE,
            reason=reason,
            detail=detail,
            row=raw_as_json(piece.data) if attributes is None else as_json(attributes),
            position=self._position(name, piece),
        )

    def _position(self, name: str, piece: Piece) -> str:
        file = table(self._split, name)
        return f"{file.where if file else name}, byte {piece.byte}"
