"""Which part of a dump a row belongs to, told from its raw bytes: a part must not parse what is not its own."""

from __future__ import annotations

import re
from functools import cache

from factory.sources.xmlrows import Piece

_STYLE = re.compile(rb"""<row\s+[\w:.-]+\s*=\s*(["'])""")
_PAGE_BITS = 15


class IdSet:
    """Numbers from 0 on; memory grows with the span they cover, in pages of 4 KiB for 32,768 numbers."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, number: int) -> None:
        page = self._pages.get(number >> _PAGE_BITS)
        if page is None:
            page = self._pages[number >> _PAGE_BITS] = bytearray(1 << (_PAGE_BITS - 3))
        page[(number >> 3) & 0xFFF] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        page = self._pages.get(number >> _PAGE_BITS)
        return page is not None and bool(page[(number >> 3) & 0xFFF] >> (number & 7) & 1)


class Assignment:
    """Tells rows of part `part` of `parts` from all others. Posts must be shown before comments and users.

    Each method answers whether a row is this part's, and the id of the post that it is to be joined with: None if
    there is none. Exactly one part of all claims any row, whatever is wrong with it.
    """

    def __init__(self, part: int, parts: int) -> None:
        self._part, self._parts = part, parts
        self._posts, self._own_posts, self._own_users = IdSet(), IdSet(), IdSet()

    def post(self, piece: Piece) -> tuple[bool, int | None]:
        """A post goes where its question goes."""
        own_id = _number(b"Id", piece.data)
        parent = _number(b"ParentId", piece.data) if b"ParentId" in piece.data else None
        thread = own_id if parent is None else parent
        mine = self._falls_here(piece, thread)
        if own_id is not None:
            self._posts.add(own_id)
        if mine and own_id is not None and thread is not None:
            self._own_posts.add(own_id)
            owner = _number(b"OwnerUserId", piece.data)
            if owner is not None:
                self._own_users.add(owner)
            return True, thread
        return mine, None

    def comment(self, piece: Piece) -> tuple[bool, int | None]:
        """A comment goes where its post went; one on a post that nobody has seen is an orphan."""
        post = _number(b"PostId", piece.data)
        if post is None or post not in self._posts:
            return self._falls_here(piece, post), None
        return post in self._own_posts, post

    def link(self, piece: Piece) -> tuple[bool, int | None]:
        """A link goes where the question goes that it starts from."""
        post = _number(b"PostId", piece.data)
        return self._falls_here(piece, post), post

    def user(self, piece: Piece) -> tuple[bool, int | None]:
        """A user is wanted by every part that holds a post of theirs."""
        user = _number(b"Id", piece.data)
        return user is not None and user in self._own_users, user

    def _falls_here(self, piece: Piece, number: int | None) -> bool:
        if piece.fault and not piece.data:
            return self._part == 0  # no row, but the end of a damaged file
        return (piece.byte if number is None else number) % self._parts == self._part


def _number(name: bytes, data: bytes) -> int | None:
    """The value of a numeric attribute. A text may quote `Id='5'`, but never within the quotes that its row uses."""
    style = _STYLE.match(data)
    match = _pattern(name, style[1]).search(data) if style else None
    return int(match[1]) if match else None


@cache
def _pattern(name: bytes, quote: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\s%s\s*=\s*%s(\d{1,10})%s" % (name, quote, quote))
