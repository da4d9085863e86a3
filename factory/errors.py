"""The one error a user is meant to read (what went wrong, why, what to do), and the one that says "not now"."""

from __future__ import annotations


class Unavailable(Exception):
    """Something that a row needs was away (engines, sandboxes): no word on the row, which is left for later."""


class FactoryError(Exception):
    """A failure that its reader can fix.

    `what` names the thing that failed, `why` the cause, `remedy` the next step. The command line prints the
    three parts and exits with status 2; nothing else of the stack is shown.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what, self.why, self.remedy = what, why, remedy

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.what, self.why, self.remedy)

    def __str__(self) -> str:
        parts = [self.what]
        if self.why:
            parts.append(f"  why: {self.why}")
        if self.remedy:
            parts.append(f"  fix: {self.remedy}")
        return "\n".join(parts)


def _rebuild(what: str, why: str, remedy: str) -> FactoryError:
    """Unpickle: an error may come from another process."""
    return FactoryError(what, why=why, remedy=remedy)
