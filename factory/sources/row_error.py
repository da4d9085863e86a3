"""Why a row cannot become an input."""

from __future__ import annotations


class RowError(Exception):
    """A row that cannot become a problem or a thread: the reason's name and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def encodable(text: str, reason: str, what: str) -> str:
    """`text`, if UTF-8 can hold it; JSON can spell a lone surrogate, which Arrow refuses."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(reason, f"{what} holds a lone surrogate at character {error.start}") from None
    return text
