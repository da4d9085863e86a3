"""Which chat format a model has, found by its own template: the renderer of the library that writes exactly what the
template writes, else the template itself.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from factory.dialects.chat_families import COMMON_EFFORTS, FAMILIES, Settings
from factory.dialects.chat_jinja import JinjaRenderer, tool_parser_of
from factory.dialects.chat_probe import CALL, PYTHON, SYSTEM, USER, result
from factory.dialects.chat_tokenizer import ChatTokenizer
from factory.errors import FactoryError

log = logging.getLogger(__name__)

TEMPLATE = "template"
"""The name of the family of all models that only their own template knows."""

_CONVERSATIONS: tuple[tuple[list[dict[str, Any]], list[Any] | None], ...] = (
    ([USER], None),
    ([SYSTEM, USER], None),
    ([USER], [PYTHON]),
    ([SYSTEM, USER], [PYTHON]),
    ([USER, CALL, result("4")], [PYTHON]),
)


@dataclass(frozen=True, slots=True)
class Format:
    """A model's chat format: a name, a renderer for each setting of the template, and what there is to set."""

    family: str
    make: Callable[[Settings], Any]
    efforts: tuple[Settings, ...]
    """What tells the model to think, from the least to the most; none if the template has no such switch."""
    has_tools: bool
    """Whether calls are written in a form of the model's own that can be read."""


def find(tokenizer: ChatTokenizer, family: str | None = None) -> Format:
    """The format of the model, or the one of a named family.

    Raises `FactoryError` for a model without template, a template that raises, and a family whose prompts are not
    those of the model's template.
    """
    if family not in (None, TEMPLATE, *FAMILIES):
        near = difflib.get_close_matches(str(family), FAMILIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(FAMILIES)}, {TEMPLATE}"
        raise FactoryError(f"there is no chat family named {family!r}", remedy=hint)
    files = tokenizer.files
    if files.template(tools=False) is None:
        if family in FAMILIES:
            return _of_family(tokenizer, str(family))
        raise FactoryError(
            f"{files.name} has no chat template",
            why="neither chat_template.jinja nor tokenizer_config.json holds one: it may be a base model",
            remedy="use the instruction-tuned model, name its family (`chat: {family: qwen3}`), or choose the dialect "
            "fenced, which needs none",
        )
    expected = _written_by(JinjaRenderer(tokenizer, {}))
    if isinstance(expected[0], Exception):
        raise FactoryError(
            f"the chat template of {files.name} raises an error for a plain question",
            why=" ".join(str(expected[0]).split()) or type(expected[0]).__name__,
            remedy="repair the template beside the weights, or choose the dialect fenced",
        )
    if family in FAMILIES:
        found = _of_family(tokenizer, str(family))
        if (at := _difference(found, expected)) is not None:
            raise FactoryError(
                f"{files.name} does not write its prompts as the family {family} does",
                why=f"its own template has other tokens for {_told(at)}",
                remedy="leave the family out, and the template decides",
            )
        return found
    for name in FAMILIES if family is None else ():
        try:
            found = _of_family(tokenizer, name)
        except FactoryError:
            continue
        if _difference(found, expected) is None:
            return _with_efforts(found, tokenizer)
    found = _of_template(tokenizer)
    if family is None:
        log.warning(
            "%s: the library renderers has no family with exactly these prompts; the model's own template is used, %s",
            files.name,
            "its calls and results too" if found.has_tools else "and Python is called from ```python blocks",
        )
    return found


def _of_family(tokenizer: ChatTokenizer, name: str) -> Format:
    family = FAMILIES[name]
    try:
        plain = family.renderer(tokenizer, {})
        told = [plain.render_ids([USER], tools=tools, add_generation_prompt=True) for tools in (None, [PYTHON])]
    except Exception as error:  # an assertion for a token that is not there, or whatever else
        raise FactoryError(
            f"{tokenizer.files.name} is not of the chat family {name}", why=" ".join(str(error).split())
        ) from None
    return Format(name, lambda settings: family.renderer(tokenizer, settings), family.efforts, told[0] != told[1])


def _of_template(tokenizer: ChatTokenizer) -> Format:
    parser = tool_parser_of(tokenizer, {})
    efforts = next((e for e in COMMON_EFFORTS if _all_differ(tokenizer, e)), ())
    return Format(
        TEMPLATE, lambda settings: JinjaRenderer(tokenizer, dict(settings), parser), efforts, parser is not None
    )


def _with_efforts(found: Format, tokenizer: ChatTokenizer) -> Format:
    """The format with those switches alone that the model's template has: relatives of a family lack some."""
    known = tuple(
        settings
        for settings in found.efforts
        if _written_by(found.make(settings))[0] == _written_by(JinjaRenderer(tokenizer, dict(settings)))[0]
    )
    efforts = known if len(known) > 1 else ()
    return Format(found.family, found.make, efforts, found.has_tools)


def _all_differ(tokenizer: ChatTokenizer, efforts: Sequence[Settings]) -> bool:
    written = [_written_by(JinjaRenderer(tokenizer, dict(settings)))[0] for settings in efforts]
    return all(isinstance(w, list) for w in written) and len({tuple(w) for w in written}) == len(written)  # type: ignore[arg-type]


def _written_by(renderer: Any) -> list[list[int] | Exception]:
    """Token ids of each conversation that formats are compared on, or what was raised instead."""
    return list(_each(renderer))


def _each(renderer: Any) -> Iterator[list[int] | Exception]:
    for messages, tools in _CONVERSATIONS:
        try:
            yield renderer.render_ids(messages, tools=tools, add_generation_prompt=True)
        except Exception as error:
            yield error


def _difference(found: Format, expected: list[list[int] | Exception]) -> int | None:
    """The first conversation that is written differently. What neither can write makes no difference."""
    written = _written_by(found.make({}))
    for at, pair in enumerate(zip(written, expected, strict=True)):
        if pair[0] != pair[1] and not all(isinstance(one, Exception) for one in pair):
            return at
    return None


def _told(at: int) -> str:
    return ("a question", "a system message", "a tool", "a system message and a tool", "the result of a call")[at]
