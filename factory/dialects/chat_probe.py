"""The conversations on which a chat format is tried before a model is asked anything, and Python as a tool in them."""

from __future__ import annotations

from typing import Any

from factory.dialects.calls import PYTHON as NAME

CODE = "print(2 + 2)"
SYSTEM = {"role": "system", "content": "Think, then answer."}
USER = {"role": "user", "content": "What is 2 + 2?"}
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": f"functions.{NAME}:0", "type": "function", "function": {"name": NAME, "arguments": {"code": CODE}}}
    ],
}


def python(description: str) -> dict[str, Any]:
    """The Python tool as chat templates take tools."""
    code = {"type": "string", "description": "The code to run."}
    parameters = {"type": "object", "properties": {"code": code}, "required": ["code"]}
    return {"type": "function", "function": {"name": NAME, "description": description, "parameters": parameters}}


def result(content: str, call_id: str | None = None) -> dict[str, Any]:
    """The message that answers a call."""
    return {"role": "tool", "name": NAME, "tool_call_id": call_id or f"functions.{NAME}:0", "content": content}


PYTHON = python("Runs Python.")
