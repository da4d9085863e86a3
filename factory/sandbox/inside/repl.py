"""The meaning of a cell: what runs, what is echoed, what a failure looks like.

A cell is run as IPython runs one: the statements in order in one namespace that lives as long as the session, then the
last one's value is shown if it is an expression that no `;` follows. Top-level `await` works. A uniform indentation is
taken away. There are no magics and no shell escapes.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums, which cost more than a small cell
import ast
import builtins
import errno
import inspect
import io
import linecache
import signal
import sys
import threading
import tokenize
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from factory.sandbox.inside import tracebacks
from factory.sandbox.inside.echo import echo
from factory.sandbox.inside.guard import InterpreterGuard
from factory.sandbox.inside.hints import hint
from factory.sandbox.inside.streams import Streams

Status = Literal["ok", "error", "memory", "disk"]

INTERRUPT = signal.SIGUSR2
"""The actor sends it when a cell's time is over: SIGALRM stays free for the cell's own use."""

_BUILTINS = vars(builtins)
_DISK_ERRORS = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)


class CellTimeout(BaseException):
    """The cell's time is over. Not an `Exception`, so that `except Exception` does not swallow it."""


class _CellAborted(BaseException):
    """How a cell ended of whose end nothing is known."""

    def __init__(self) -> None:
        super().__init__("an exception from a thread of an earlier cell struck before this cell could begin or end")


class Repl:
    """One session's interpreter state; `fds` are its standard streams: null device, stdout's and stderr's pipe."""

    def __init__(self, fds: tuple[int, int, int] = (0, 1, 2)) -> None:
        self.guard = InterpreterGuard(fds)
        self._streams = Streams()
        self._running = self._finished = self._interrupted = False
        self._number = -1
        self._failure: BaseException | None = None
        self._main = types.ModuleType("__main__")
        vars(self._main)["__builtins__"] = builtins
        self._builtins = dict(vars(builtins))
        _BUILTINS["display"] = self._builtins["display"] = _display_on(self._streams)

    def run(self, code: str, number: int) -> tuple[Status, str]:
        """Run a cell; its status, and the traceback where it failed. Output goes to the descriptors.

        A call that an exception cuts short is to be made again: the cell itself runs once.
        """
        if number != self._number:
            self._prepare()
            self._finished = self._interrupted = False
            self._failure, self._number = _CellAborted(), number
            try:
                try:
                    self._running = True
                    self._execute(code, f"<cell {number}>")
                finally:
                    try:  # without a call of Python code, which would be traced
                        sys.settrace(None)
                        sys.setprofile(None)
                    except Exception:
                        pass  # an audit hook of the cell's refuses
                    self._running = False
                self._failure = None
            except BaseException as error:
                self._failure = None if self._finished else error  # else it is not the cell's
        self._running = False
        self._repair()
        outcome = self._outcome(self._failure)
        self._streams.flush()
        return outcome

    def _prepare(self) -> None:
        """Undo what an earlier cell did to the things that a cell counts on."""
        self._streams.install()
        sys.modules["__main__"] = self._main
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        self.guard.open()
        _signal.signal(INTERRUPT, self._interrupt)
        _signal.pthread_sigmask(signal.SIG_UNBLOCK, [INTERRUPT])

    def _repair(self) -> None:
        """First thing after a cell: give the runner its own tools back. The first line needs no builtin."""
        _BUILTINS.update(self._builtins)
        self.guard.close()
        for disarm in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
            with suppress(Exception):  # an audit hook of the cell's may refuse
                disarm(None)
        if sys.getrecursionlimit() < 1000:
            sys.setrecursionlimit(1000)

    def _execute(self, code: str, filename: str) -> None:
        code = dedent(code)
        lines = [line + "\n" for line in code.splitlines()]  # without the last end of line, carets are off by one
        linecache.cache[filename] = (len(code), None, lines, filename)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(code, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        programs = [compile(tree, filename, "exec", flags, dont_inherit=True)]
        if isinstance(last, ast.Expr):
            programs.append(compile(ast.Expression(last.value), filename, "eval", flags, dont_inherit=True))
        value = self._evaluate(programs)
        if value is None or is_quiet(code):
            self._finished = True
            return
        builtins._ = value  # type: ignore[attr-defined]
        text = echo(value) + "\n"
        self._streams.out.flush()  # fails where the cell has closed it
        self._finished = True
        self._streams.out.write(text)

    def _evaluate(self, programs: list[types.CodeType]) -> Any:
        """Run them in order; the value of the last. All of a cell that awaits anything runs in one event loop."""
        if any(program.co_flags & inspect.CO_COROUTINE for program in programs):
            import asyncio

            # With a factory, the loop that `get_event_loop` gives to later cells stays what it is.
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                return runner.run(self._await_each(programs))
        for program in programs:
            value = eval(program, vars(self._main))
        return value

    async def _await_each(self, programs: list[types.CodeType]) -> Any:
        for program in programs:
            value = eval(program, vars(self._main))
            if program.co_flags & inspect.CO_COROUTINE:
                value = await value
        return value

    def _interrupt(self, _signal: int, _frame: types.FrameType | None) -> None:
        if self._running:
            self._interrupted = True
            raise CellTimeout

    def _outcome(self, failure: BaseException | None) -> tuple[Status, str]:
        """Status and traceback. Where the cell's time was over, where it was: that it was is for the actor to say."""
        if failure is None:
            return "ok", ""
        if isinstance(failure, CellTimeout) and self._interrupted:
            return "error", tracebacks.where(failure)
        note = hint(failure)
        text = tracebacks.short(failure) + (f"{note}\n" if note else "")
        if isinstance(failure, MemoryError):
            return "memory", text
        if isinstance(failure, OSError) and failure.errno in _DISK_ERRORS:
            return "disk", text
        return "error", text


def _display_on(streams: Streams) -> Callable[..., None]:
    def display(*values: Any) -> None:
        """Show each value as a cell's last expression is shown."""
        for value in values:
            streams.out.write(echo(value) + "\n")

    return display


def dedent(code: str) -> str:
    """Take the first line's indentation away from every line that has it, as IPython does."""
    lines = code.splitlines(keepends=True)
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        return code
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))]
    return "".join(line.removeprefix(indent) for line in lines) if indent else code


def is_quiet(code: str) -> bool:
    """Whether the last token of the code is a `;`."""
    if ";" not in code:
        return False
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
    try:
        tokens = [t for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type not in skipped]
    except (tokenize.TokenError, SyntaxError):
        return False
    return bool(tokens) and tokens[-1].string == ";"


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
    sys.stderr.write(f"{tracebacks.shorten_path(filename)}:{lineno}: {category.__name__}: {message}\n")
