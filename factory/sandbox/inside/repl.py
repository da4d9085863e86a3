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
import os
import re
import resource
import signal
import sys
import threading
import tokenize
import types
import warnings
from typing import Any, Literal

from factory.sandbox.inside import libc, tracebacks
from factory.sandbox.inside.echo import echo

Status = Literal["ok", "error", "timeout", "memory", "disk"]

INTERRUPT = signal.SIGUSR2
"""The actor sends it when a cell's time is over: SIGALRM stays free for the cell's own use."""

_EAGER_LINES = 200  # flushed one by one, so that a hard kill loses none; later ones in blocks, four times as fast
_BUILTINS = vars(builtins)
_IPYTHON = re.compile(r"^\s*([\w, ]+=\s*)?[%!?]|\?\s*$")
_DISK_ERRORS = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)


class CellTimeout(BaseException):
    """The cell's time is over. Not an `Exception`, so that `except Exception` does not swallow it."""


class Repl:
    """One session's interpreter state; writes to the two descriptors that the session was given (`fds`)."""

    def __init__(self) -> None:
        self.fds = (1, 2)
        self._running = False
        self._main = types.ModuleType("__main__")
        self._builtins = dict(vars(builtins))
        self._memory = resource.getrlimit(resource.RLIMIT_AS)
        builtins.display = self._display  # type: ignore[attr-defined]

    def run(self, code: str, number: int) -> tuple[Status, str]:
        """Run a cell; its status, and the traceback where it failed. Output goes to the descriptors."""
        self._prepare()
        failure: BaseException | None = None
        try:
            try:
                self._running = True
                self._execute(code, f"<cell {number}>")
            finally:
                sys.settrace(None)
                sys.setprofile(None)
                self._running = False
        except BaseException as error:
            self._running = False
            failure = error
        self._repair()
        outcome = _outcome(failure)
        self._flush()
        return outcome

    def _prepare(self) -> None:
        """Undo what an earlier cell did to the things that a cell counts on."""
        for number, fd in enumerate(self.fds, start=1):
            os.dup2(fd, number)
        self._out, self._err = _Stream(1), _Stream(2)
        sys.stdout = sys.__stdout__ = self._out  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = self._err  # type: ignore[misc]
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (lives as long as the cell)
        sys.modules["__main__"] = self._main
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        _signal.signal(INTERRUPT, self._interrupt)
        _signal.pthread_sigmask(signal.SIG_UNBLOCK, [INTERRUPT])
        if self._memory[0] != self._memory[1]:  # last: what stands above may need the room to report in
            resource.setrlimit(resource.RLIMIT_AS, self._memory)

    def _repair(self) -> None:
        """First thing after a cell: give the runner its own tools back. The first line needs no builtin."""
        _BUILTINS.update(self._builtins)
        threading.settrace(None)  # type: ignore[arg-type,unused-ignore]
        if sys.getrecursionlimit() < 1000:
            sys.setrecursionlimit(1000)
        if self._memory[0] != self._memory[1]:  # room to report in, where the cell left none
            resource.setrlimit(resource.RLIMIT_AS, (self._memory[1], self._memory[1]))

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
        if value is not None and not is_quiet(code):
            builtins._ = value  # type: ignore[attr-defined]
            self._display(value)

    def _evaluate(self, programs: list[types.CodeType]) -> Any:
        """Run them in order; the value of the last. All of a cell that awaits anything runs in one event loop."""
        if any(program.co_flags & inspect.CO_COROUTINE for program in programs):
            import asyncio

            return asyncio.run(self._await_each(programs))
        for program in programs:
            value = eval(program, vars(self._main))
        return value

    async def _await_each(self, programs: list[types.CodeType]) -> Any:
        for program in programs:
            value = eval(program, vars(self._main))
            if program.co_flags & inspect.CO_COROUTINE:
                value = await value
        return value

    def _display(self, *values: Any) -> None:
        """What IPython calls `display`, as text."""
        for value in values:
            self._out.write(echo(value) + "\n")

    def _interrupt(self, _signal: int, _frame: types.FrameType | None) -> None:
        if self._running:
            raise CellTimeout

    def _flush(self) -> None:
        libc.flush()
        for stream in (sys.stdout, sys.stderr, self._out, self._err):
            try:
                stream.flush()
            except BaseException:  # closed, or replaced by something of the cell's that raises what it likes
                continue


class _Stream(io.TextIOWrapper):
    """A cell's stdout or stderr: always valid UTF-8 (a lone surrogate is shown as its escape)."""

    def __init__(self, fd: int) -> None:
        raw = open(fd, "wb", closefd=False)  # noqa: SIM115 (closed with this object)
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)
        self._eager = _EAGER_LINES

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._eager and "\n" in text:
            self._eager -= 1
            if not self._eager:
                self.reconfigure(line_buffering=False)
        return written


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


def _outcome(failure: BaseException | None) -> tuple[Status, str]:
    if failure is None:
        return "ok", ""
    if isinstance(failure, CellTimeout):
        return "timeout", ""
    if isinstance(failure, SyntaxError) and _IPYTHON.search(failure.text or ""):
        failure.add_note("This is not IPython: no magics (%), shell commands (!) or help (?). Write plain Python.")
    text = tracebacks.short(failure)
    if isinstance(failure, MemoryError):
        return "memory", text
    if isinstance(failure, OSError) and failure.errno in _DISK_ERRORS:
        return "disk", text
    return "error", text


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
    sys.stderr.write(f"{tracebacks.shorten_path(filename)}:{lineno}: {category.__name__}: {message}\n")
