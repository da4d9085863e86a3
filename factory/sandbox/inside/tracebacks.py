"""A failure of a cell as a model reads it: the cell's own lines, where the library gave up, and the error.

No path of the machine and no frame of the runner's is shown, also where the cell itself prints a traceback, a thread
fails, or a finalizer does.
"""

from __future__ import annotations

import gc
import re
import sys
import threading
import traceback
import types
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from typing import Any

MAX_FRAMES = 12
MAX_CHARS = 4000
MAX_CAUSES = 2

RUNNER = "<session>"
"""What stands for the file of the runner's own code; frames of it are not shown."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib-dynload/")
_format_frame = traceback.StackSummary.format_frame_summary
_folder = ["\0"]  # the session's own; so far none


def short(error: BaseException) -> str:
    """The traceback of `error`: frames of cells, the innermost frame of a library, at most two causes."""
    try:
        report = traceback.TracebackException.from_exception(error)
        _trim(report, MAX_CAUSES)
        text = "".join(report.format())
    except Exception:
        text = _plain(error)  # the cell has broken what tracebacks are made with
    return _cut(text)


def where(error: BaseException) -> str:
    """The lines of cells that were under way when `error` was raised, without the error itself; may be empty."""
    try:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_of_a_cell(frame)]
        lines = traceback.StackSummary.from_list(_few(frames)).format()
    except Exception:
        return ""
    return _cut("".join(["Traceback (most recent call last):\n", *lines])) if lines else ""


def install() -> None:
    """Let nothing that Python itself prints about a failure name a file by its place on this machine."""
    traceback.StackSummary.format_frame_summary = _format_known_frame  # type: ignore[assignment,method-assign]
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable
    sys.excepthook = _report


def hide_the_runner(folder: str) -> None:
    """Name no file and no module of ours: neither in frames that a cell can look up nor in the names of classes.

    `folder` holds the runner's source. Code objects are changed in place, because some of them are running.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        _fix_co_filename(frame.f_code, RUNNER)
        frame = frame.f_back
    for found in gc.get_objects():
        kind = type(found)
        if kind is types.FunctionType and found.__code__.co_filename.startswith(folder):
            _fix_co_filename(found.__code__, RUNNER)
        if (kind is types.FunctionType or issubclass(kind, type)) and str(found.__module__).startswith("factory."):
            found.__module__ = "builtins"


def learn_folder(scratch: str) -> None:
    """Modules that a cell writes itself are in this folder: they are named without it."""
    _folder[0] = f"{scratch}/"


def shorten_path(path: str) -> str:
    """A library's file as `package/module.py`: where it is installed is nobody's business."""
    for marker in _LIBRARIES:
        if marker in path:
            return path.rpartition(marker)[2]
    head, found, tail = path.rpartition("/lib/python3.")
    return tail.partition("/")[2] if found and head else path.removeprefix(_folder[0])


def _report(_kind: type[BaseException], error: BaseException, _trace: types.TracebackType | None) -> None:
    sys.stderr.write(short(error))


def _report_thread(args: Any) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread is not None else "?"
        sys.stderr.write(f"Exception in thread {name}:\n{short(args.exc_value or args.exc_type())}")


def _report_unraisable(args: Any) -> None:
    if args.exc_type.__name__ == "CellTimeout":
        return  # the cell's note says so
    head = args.err_msg or "Exception ignored in"
    of = f": {_ADDRESS.sub('', repr(args.object))}" if args.object is not None else ""
    sys.stderr.write(f"{head}{of}\n{short(args.exc_value or args.exc_type())}")


def _format_known_frame(summary: traceback.StackSummary, frame: traceback.FrameSummary) -> str | None:
    if frame.filename == RUNNER:
        return None
    _ = frame.line  # looked up by the file's real name
    frame.filename = shorten_path(frame.filename)
    return _format_frame(summary, frame)


def _plain(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}\n"
    except Exception:
        return f"{type(error).__name__}\n"


def _trim(report: traceback.TracebackException, causes: int) -> None:
    last = len(report.stack) - 1
    frames = _few([f for index, f in enumerate(report.stack) if _is_of_a_cell(f) or (index == last and _is_known(f))])
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


def _few(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    half = MAX_FRAMES // 2
    return frames if len(frames) <= MAX_FRAMES else frames[:half] + frames[-half:]


def _is_of_a_cell(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith("<cell ")


def _is_known(frame: traceback.FrameSummary) -> bool:
    return frame.filename != RUNNER and not frame.filename.startswith("<string>")


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half} characters cut] ...\n{text[-half:]}"
