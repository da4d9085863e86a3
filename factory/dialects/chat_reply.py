"""What a model wrote in one turn: thought, words, and calls, as the library reads the model's own form of them.

One reading for the rollout, which runs the calls, and for the messages. No word is lost: where the library leaves
something out, it is put with what was said.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from factory.dialects.calls import PYTHON, Call, read_call
from factory.dialects.chat_tokenizer import ChatTokenizer
from factory.dialects.protocol import Turn

_MALFORMED = {
    "invalid_json": "the arguments are not valid JSON",
    "unclosed_block": "the call was not closed",
    "missing_name": "the call names no tool",
    "malformed_structure": "the call is not in the form that the model was taught",
    "unknown_tool": "there is no such tool",
}

_TAGS = re.compile(r"</?[\w:｜]+>")
_NO_THOUGHT = re.compile(r"\s*(<think>\s*)?</think>\s*")


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn of the model."""

    content: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    call_ids: tuple[str | None, ...] = ()
    """The id of each call where the format has such."""
    problems: list[str] = field(default_factory=list)


def read_reply(
    renderer: Any, tokenizer: ChatTokenizer, generated: list[int], opening: list[int], tools: list[Any] | None
) -> Reply:
    """`opening` are the tokens before the turn: they may open a thought. Never raises."""
    words = tokenizer.plain.decode([i for i in generated if i not in tokenizer.control_ids])
    try:
        parsed = renderer.parse_response(generated, tools=tools, prompt_ids=opening)
    except Exception as error:  # whatever a model may write
        return Reply(content=words.strip(), problems=[f"the turn could not be read: {error}"])
    thought, content = (parsed.reasoning_content or "").strip(), parsed.content.strip()
    if not thought:
        content = _NO_THOUGHT.sub("", content)
    raw = [tokenizer.bare(found.raw) for found in parsed.tool_calls]
    names = [
        PYTHON for found in parsed.tool_calls if found.name == PYTHON
    ]  # which some forms write outside of the call
    if _lost(words, [thought, content, *raw, *names], tokenizer):
        left = _left_out(words, [thought, content, *raw])
        rest = "\n\n".join(filter(None, [content, left]))
        content = words.strip() if _lost(words, [thought, rest, *raw, *names], tokenizer) else rest
    calls = tuple(_call(found) for found in parsed.tool_calls)
    problems = [call.turn.malformed for call in calls if call.turn.malformed and call.is_python]
    return Reply(content, thought, calls, tuple(found.id for found in parsed.tool_calls), problems)


def _call(found: Any) -> Call:
    arguments, is_ok = found.arguments, found.status.value == "ok"
    holds_code = isinstance(arguments, dict) and isinstance(arguments.get("code"), str)
    if found.name and (is_ok or holds_code):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        call = read_call(text, function=found.name, is_json=True)
        return replace(call, text=found.raw) if call.turn.malformed else call
    why = _MALFORMED.get(found.status.value, found.status.value)
    return Call(Turn(malformed=why), found.raw, found.name or PYTHON)


def _lost(words: str, parts: list[str], tokenizer: ChatTokenizer) -> bool:
    """Whether letters of what was written are in none of the parts. What only encloses calls is no word."""
    kept = "".join(tokenizer.bare(part) for part in parts)
    return bool(Counter("".join(_TAGS.sub("", words).split())) - Counter("".join(_TAGS.sub("", kept).split())))


def _left_out(text: str, parts: list[str]) -> str:
    """What remains of a text when each of its parts is taken out once."""
    for part in sorted(filter(None, map(str.strip, parts)), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "\n", text, count=1)
    return text.strip()
