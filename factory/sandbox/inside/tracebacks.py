"""A failure of a cell as a model reads it: the cell's own lines, where the library gave up, and the error."""

from __future__ import annotations

import traceback

MAX_FRAMES = 12
MAX_CHARS = 4000
MAX_CAUSES = 2


def short(error: BaseException) -> str:
    """The traceback of `error`: frames of cells, the innermost frame of a library, at most two causes."""
    try:
        report = traceback.TracebackException.from_exception(error)
        _trim(report, MAX_CAUSES)
        text = "".join(report.format())
    except Exception:
        text = _plain(error)  # the cell has broken what tracebacks are made with
    if len(text) > MAX_CHARS:
        half = MAX_CHARS // 2
        text = f"{text[:half]}\n... [{len(text) - 2 * half} characters cut] ...\n{text[-half:]}"
    return text


def shorten_path(path: str) -> str:
    """A library's file as `package/module.py`: where it is installed is nobody's business."""
    for marker in ("/site-packages/", "/lib-dynload/"):
        if marker in path:
            return path.rpartition(marker)[2]
    head, found, tail = path.rpartition("/lib/python3.")
    return tail.partition("/")[2] if found and head else path


def _plain(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}\n"
    except Exception:
        return f"{type(error).__name__}\n"


def _trim(report: traceback.TracebackException, causes: int) -> None:
    frames = [
        frame for index, frame in enumerate(report.stack) if _worth_showing(frame, index == len(report.stack) - 1)
    ]
    if len(frames) > MAX_FRAMES:
        frames = frames[: MAX_FRAMES // 2] + frames[-MAX_FRAMES // 2 :]
    for frame in frames:
        frame.filename = shorten_path(frame.filename)
    # None leaves out the header too: a syntax error has no frames.
    report.stack = traceback.StackSummary.from_list(frames) if frames else None  # type: ignore[assignment]
    for name in ("__cause__", "__context__"):
        linked = getattr(report, name)
        if linked is not None and causes > 0:
            _trim(linked, causes - 1)
        else:
            setattr(report, name, None)
    for member in getattr(report, "exceptions", None) or []:
        _trim(member, causes - 1)


def _worth_showing(frame: traceback.FrameSummary, innermost: bool) -> bool:
    if frame.filename.startswith("<cell "):
        return True
    return innermost and "/factory/sandbox/" not in frame.filename and not frame.filename.startswith("<string>")
