"""What a call asks for, in whatever form models write it: Python as it is, JSON arguments, or an XML-like function.

One reading for the rollout, which runs the code, and for the messages, which tell what was run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from factory.dialects.protocol import Turn
from factory.records import PYTHON_TOOL, FunctionCall, MessageToolCall, storable_text

PYTHON = "python"
"""The tool's name as models know it."""

_PYTHON_NAMES = {PYTHON, PYTHON_TOOL}
_FUNCTION = re.compile(r"<function=([^>\n]*)>")
_CODE_PARAMETER, _PARAMETER_END = "<parameter=code>", "</parameter>"


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was written. `turn` is what there is to run; `text` all of its body."""

    turn: Turn
    text: str
    function: str = PYTHON

    @property
    def is_python(self) -> bool:
        return is_python(self.function)

    def message(self, number: int, tool_name: str) -> MessageToolCall:
        """The call in OpenAI form. A call that could not be read keeps its text as its code."""
        if self.is_python:
            code = self.text if self.turn.code is None else self.turn.code
            function = FunctionCall(name=tool_name, arguments=json.dumps({"code": code}, ensure_ascii=False))
        else:
            function = FunctionCall(name=_bare(self.function), arguments=self.text)
        return MessageToolCall(id=f"call_{number}", function=function)


def is_python(name: str) -> bool:
    """Whether `name` is the Python tool's, which models also spell as if it were a function."""
    return _bare(name) in _PYTHON_NAMES


def read_call(text: str, *, function: str = PYTHON, is_json: bool = False) -> Call:
    """The call of `function` whose body is `text`. An object with a string under `code` is arguments, said or not."""
    if not is_python(function):
        return Call(_no_such_tool(function), text, function)
    if is_json or _holds_code(text):
        return Call(_code_argument(text), text)
    return Call(_python(text), text)


def read_tool_call(text: str) -> Call:
    """The call between `<tool_call>` and `</tool_call>`: JSON (Hermes, Qwen), XML (Qwen3-Coder), else Python itself."""
    if (match := _FUNCTION.match(text.lstrip())) is not None:
        return _read_function(text, match[1].strip())
    values = _object(text)
    if isinstance(values, dict) and isinstance(values.get("name"), str):
        arguments = values.get("arguments", values.get("parameters"))
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        if not is_python(values["name"]):
            return Call(_no_such_tool(values["name"]), written, values["name"])
        return Call(_code_argument(written), text)
    return read_call(text, is_json=values is None and text.lstrip().startswith('{"name"'))


def _read_function(text: str, name: str) -> Call:
    if not is_python(name):
        return Call(_no_such_tool(name), text, name)
    start = text.find(_CODE_PARAMETER)
    end = text.find(_PARAMETER_END, start)
    if start < 0 or end < 0:
        return Call(Turn(malformed="the call has no parameter named 'code'"), text)
    return Call(_python(text[start + len(_CODE_PARAMETER) : end].removeprefix("\n")), text)


def _python(code: str) -> Turn:
    return Turn(code=storable_text(code)) if code.strip() else Turn(malformed="the call holds no code")


def _code_argument(text: str) -> Turn:
    try:
        arguments = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return Turn(malformed=f"the arguments are not valid JSON: {error}")
    code = arguments.get("code") if isinstance(arguments, dict) else None
    if not isinstance(code, str) or not code.strip():
        return Turn(malformed="the arguments hold no string under 'code'")
    return Turn(code=storable_text(code))


def _holds_code(text: str) -> bool:
    values = _object(text) if '"code"' in text else None
    return isinstance(values, dict) and isinstance(values.get("code"), str)


def _object(text: str) -> Any:
    """What `text` is as JSON; None if it is none. Newlines inside strings are let pass, as models write them."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _no_such_tool(name: str) -> Turn:
    return Turn(malformed=f"there is no tool named {name!r}; the only tool is {PYTHON!r}")


def _bare(name: str) -> str:
    return name.removeprefix("functions.")
