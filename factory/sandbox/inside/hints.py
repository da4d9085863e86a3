"""A sentence for a failure whose message alone misleads a model that knows notebooks. Only where the cause is sure."""

from __future__ import annotations

import re

_NOT_IPYTHON = "This is not IPython: no magics (%), shell commands (!) or help (?). Write plain Python."
_NO_INSTALL = "Nothing can be installed here, and there is no shell. Use the packages that can be imported."
_NO_FENCE = "Send the code alone, without ``` around it."
_NO_PROMPT = "Send the code alone, without prompts (>>> or In [1]:) and without its output."
_NO_NOTEBOOK = "This is a plain Python session, not a notebook: print what you want to see."

_SYNTAX = (
    (re.compile(r"\s*(?:[\w, ]+=\s*)?(?:%%?|!!?)[a-z]|\s*\?\??[A-Za-z_]|\s*[A-Za-z_][\w.]*\?\??\s*$"), _NOT_IPYTHON),
    (re.compile(r"\s*(?:python3? -m )?(?:pip3?|conda|mamba|apt|apt-get|uv pip) +install\b"), _NO_INSTALL),
    (re.compile(r"\s*(?:```|~~~)|.*```\s*$"), _NO_FENCE),
    (re.compile(r"\s*(?:>>>|\.\.\.) "), _NO_PROMPT),
)
_NAMES = {"get_ipython": _NO_NOTEBOOK, "In": _NO_PROMPT, "Out": _NO_NOTEBOOK}


def hint(error: BaseException) -> str:
    """The sentence; empty if there is none to say."""
    if isinstance(error, SyntaxError):
        line = error.text or ""
        return next((words for pattern, words in _SYNTAX if pattern.match(line)), "")
    if isinstance(error, ModuleNotFoundError):
        return _NO_NOTEBOOK if (error.name or "").partition(".")[0] in ("IPython", "ipywidgets") else ""
    if isinstance(error, NameError):
        return _NAMES.get(error.name or "", "")
    return ""
