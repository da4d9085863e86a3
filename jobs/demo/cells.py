"""Runs the corpus's own Python cells in this process and says what they show, as the sandbox does.

Only for code that `solutions.py` wrote. What a model wrote goes to the sandbox.
"""

from __future__ import annotations

import ast
import contextlib
import io
import sys

from factory.records import ToolCall


class Cells:
    """The cells of one trace: variables live on from one to the next; a last expression is echoed."""

    def __init__(self) -> None:
        self._namespace: dict[str, object] = {"__name__": "__main__"}

    def run(self, code: str) -> ToolCall:
        tree = ast.parse(code)
        last = [tree.body.pop()] if isinstance(tree.body[-1], ast.Expr) else []
        out = io.StringIO()
        hook, sys.displayhook = sys.displayhook, _echo
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(tree, "<cell>", "exec"), self._namespace)
                exec(compile(ast.Interactive(last), "<cell>", "single"), self._namespace)
        finally:
            sys.displayhook = hook
        return ToolCall(code=code, status="ok", stdout=out.getvalue())


def _echo(value: object) -> None:
    if value is not None:
        print(repr(value))
