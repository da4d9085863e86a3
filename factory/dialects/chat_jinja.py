"""A model's own Jinja template where the library has no renderer for it, with the library's methods.

A tool's result is written by the template as well: a short conversation with a call is rendered with the result and
without it, and what the result adds is what is put behind the sampled tokens.
"""

from __future__ import annotations

from typing import Any

from factory.dialects.chat_probe import CALL, CODE, PYTHON, USER, result
from factory.dialects.chat_tokenizer import ChatTokenizer, rendered


class JinjaRenderer:
    """Renderer over a template. `tool_parser` names the library's parser for its calls; None if it has no tools."""

    def __init__(self, tokenizer: ChatTokenizer, settings: dict[str, Any], tool_parser: str | None = None) -> None:
        from renderers import DefaultRenderer, DefaultRendererConfig  # seconds that only this dialect pays

        config = DefaultRendererConfig(tool_parser=tool_parser, reasoning_parser="think", **settings)
        self._renderer = DefaultRenderer(tokenizer, config)
        self._tokenizer, self._settings = tokenizer, settings
        ends = [*tokenizer.files.ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])]
        self._stops = list(dict.fromkeys(ends))
        self._spelled_stops = [tokenizer.decode([stop]) for stop in self._stops]

    def render_ids(self, messages: list[dict[str, Any]], **how: Any) -> list[int]:
        ids: list[int] = self._renderer.render_ids(messages, **how)
        return ids

    def parse_response(self, token_ids: list[int], **how: Any) -> Any:
        ended = len(token_ids) - (token_ids[-1:] != [] and token_ids[-1] in self._stops)
        return self._renderer.parse_response(token_ids[:ended], **how)

    def get_stop_token_ids(self) -> list[int]:
        return list(self._stops)

    def bridge(self, results: list[dict[str, Any]], tools: list[Any]) -> list[int]:
        """What the template puts behind a turn of calls: their results, and the opening of the next turn."""
        calls = {**CALL, "tool_calls": CALL["tool_calls"] * len(results)}
        before = [USER, calls]
        asked = rendered(self._tokenizer.files, before, tools, **self._settings)
        told = rendered(self._tokenizer.files, [*before, *results], tools, add_generation_prompt=True, **self._settings)
        end = max((asked.rfind(stop) + len(stop) for stop in self._spelled_stops if stop in asked), default=len(asked))
        if not told.startswith(asked[:end]):
            raise ValueError("the template writes a call anew once its result is known")
        return self._tokenizer.encode(told[end:])


def tool_parser_of(tokenizer: ChatTokenizer, settings: dict[str, Any]) -> str | None:
    """The library's parser that reads the calls as the template writes them; None if none does."""
    from renderers.parsers import TOOL_PARSERS, get_tool_parser

    renderer = JinjaRenderer(tokenizer, settings)
    try:
        told = renderer.render_ids([USER], tools=[PYTHON], add_generation_prompt=True)
        if told == renderer.render_ids([USER], add_generation_prompt=True):
            return None
        asked = renderer.render_ids([USER, CALL], tools=[PYTHON])
        renderer.bridge([result("1")], [PYTHON])
    except Exception:  # whatever a template raises: it has no tools
        return None
    written = asked[len(told) :] if asked[: len(told)] == told else asked
    for name in TOOL_PARSERS:
        _, calls = get_tool_parser(name, tokenizer).extract(written)
        if [(call.name, call.arguments) for call in calls] == [("python", {"code": CODE})]:
            return str(name)
    return None
