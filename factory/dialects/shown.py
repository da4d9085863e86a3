"""How the result of a Python call reads to the model, in every dialect: stdout, then stderr, then what went wrong."""

from __future__ import annotations

from factory.records import ToolCall

_PLAIN = {
    "timeout": "Execution was stopped: it ran out of time.",
    "memory": "Execution was stopped: it ran out of memory.",
    "disk": "Execution was stopped: it ran out of disk space.",
    "killed": "Execution was stopped: the Python process was ended.",
    "malformed": "The code was not run.",
}
_NOTHING = "(no output; print a value to see it)"
_STATE_LOST = "The Python session was restarted: earlier variables and imports are gone."


def shown_output(call: ToolCall) -> str:
    """Text of a result. A cell that ran to its end and printed something is shown verbatim.

    What stopped a cell is for the sandbox to say, at the end of stderr; words are found here for one that is silent.
    """
    parts = [call.stdout, call.stderr]
    if call.status == "malformed" or not call.stderr:
        parts += [_PLAIN.get(call.status, ""), _STATE_LOST if call.state_lost else ""]
    text = ""
    for part in filter(None, parts):
        text += "\n" if text and not text.endswith("\n") else ""
        text += part
    return text or _NOTHING
