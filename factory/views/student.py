"""A trace in a student's tokens: ids and a mask of what the teacher wrote, never guessed and never cut.

Stored ids are the teacher's. `literal` decodes each run of equal mask apart and encodes it apart, so that no token
crosses a border between what is learnt and what is not; the teacher's control tokens become plain text, as
Nemotron-Math trains Qwen3 on Harmony text. `template` renders the messages with the student's own chat template and
takes as learnt what each assistant turn adds to the text before it, which needs no generation marks in the template.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jinja2 import TemplateError

from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import HfTokenizer, encode_markup
from factory.engines.model_files import tokenizer_file
from factory.errors import FactoryError
from factory.records import Origin
from factory.views.nemotron import PYTHON_TOOL_SCHEMA, conversation
from factory.views.problem import Ids, Mask, Sample

Render = Literal["literal", "template"]


class Tokens(NamedTuple):
    """A trace as a trainer takes it: int32 ids and an int8 `Origin` for each."""

    ids: Ids
    mask: Mask

    @property
    def learnt(self) -> Any:
        """Where the loss is: bool, one for each token. Never the first one, which nothing predicts."""
        learnt = self.mask == Origin.GENERATED
        learnt[:1] = False
        return learnt

    @property
    def labels(self) -> Ids:
        """The ids where the loss is, -100 elsewhere; not shifted, as transformers and TRL take them."""
        return np.where(self.learnt, self.ids, np.int32(-100)).astype(np.int32)


class Unrendered(Exception):
    """A trace that cannot be put into the student's tokens without a loss: the message is the reason's name."""


def as_published(sample: Sample) -> Tokens:
    """The trace as it was drawn, in the teacher's tokens."""
    return Tokens(sample.token_ids, sample.mask)


def literal(trace: Tokens, teacher: Tokenizer, student: Tokenizer) -> Tokens:
    """The teacher's text in the student's tokens, control tokens spelled out. Raises `Unrendered`."""
    ids, mask = list[int](), list[int]()
    token_ids, origins = trace
    borders = [0, *(np.flatnonzero(np.diff(origins)) + 1).tolist(), len(origins)]
    for start, end in pairwise(borders):
        text = teacher.decode(token_ids[start:end].tolist())
        if "\N{REPLACEMENT CHARACTER}" in text:
            raise Unrendered("broken_character")  # a run that ends inside a character has no text
        new = student.encode(text)
        if student.decode(new) != text:
            raise Unrendered("student_changes_text")
        ids += new
        mask += [int(origins[start])] * len(new)
    return Tokens(np.asarray(ids, np.int32), np.asarray(mask, np.int8))


def by_template(sample: Sample, student: ChatStudent) -> Tokens:
    """The messages in the student's chat template. Raises `Unrendered`."""
    ids, mask = list[int](), list[int]()
    for text, origin in student.segments(conversation(sample.messages), tool=sample.key.tool):
        new = encode_markup(student.tokenizer, text)
        ids += new
        mask += [origin] * len(new)
    return Tokens(np.asarray(ids, np.int32), np.asarray(mask, np.int8))


class ChatStudent:
    """A student's tokenizer and chat template, of a model directory or a name on the Hub."""

    def __init__(self, model: str, template: str | None = None) -> None:
        """`template` stands in for the model's own. Raises `FactoryError` if there is neither."""
        from transformers import AutoTokenizer

        self.tokenizer = tokenizer_of(model)
        self._chat = AutoTokenizer.from_pretrained(tokenizer_file(model).parent)
        if template is not None:
            self._chat.chat_template = template
        if not self._chat.chat_template:
            raise FactoryError(
                f"{model} has no chat template", remedy="render the teacher's text instead: --set render=literal"
            )
        self._spellings = tuple(self.tokenizer.control)

    def segments(self, messages: list[dict[str, Any]], *, tool: bool) -> Iterator[tuple[str, int]]:
        """Pieces of the rendered conversation, each with the `Origin` of its text.

        The prefix that ends before an assistant turn, rendered with the template's generation prompt, must be a prefix
        of the rendering that ends after it: what is between is what the model is to write.
        """
        self._check(messages)
        done = ""
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._render(messages[:turn], tool, prompt=True)
            after = self._render(messages[: turn + 1], tool, prompt=False)
            if not before.startswith(done) or not after.startswith(before):
                raise Unrendered("template_rewrites_turns")
            thought = (message.get("reasoning_content") or "").strip()
            if thought and thought not in after[len(before) :]:
                raise Unrendered("template_drops_reasoning")
            origin = Origin.PROMPT if not done else Origin.TOOL
            yield before[len(done) :], origin
            yield after[len(before) :], Origin.GENERATED
            done = after
        if not done:
            raise Unrendered("no_assistant_turn")

    def _render(self, messages: list[dict[str, Any]], tool: bool, *, prompt: bool) -> str:
        try:
            text: str = self._chat.apply_chat_template(
                [_as_template_takes(message) for message in messages],
                tools=[PYTHON_TOOL_SCHEMA] if tool else None,
                tokenize=False,
                add_generation_prompt=prompt,
            )
        except (TemplateError, TypeError) as error:  # a template may refuse roles, calls or their order
            raise Unrendered("template_refuses") from error
        return text

    def _check(self, messages: list[dict[str, Any]]) -> None:
        """Text that spells a control token would become one."""
        said = json.dumps(messages, ensure_ascii=False)
        if any(spelling in said for spelling in self._spellings if len(spelling) > 1):
            raise Unrendered("spells_control_token")


def _as_template_takes(message: dict[str, Any]) -> dict[str, Any]:
    """Without empty keys, and with the arguments of calls as objects: templates write them as JSON themselves."""
    taken = {name: value for name, value in message.items() if value is not None}
    if "tool_calls" in taken:
        taken["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _arguments(call["function"]["arguments"])}}
            for call in taken["tool_calls"]
        ]
    return taken


def _arguments(text: str) -> Any:
    """The arguments of a call; the text itself where a model did not write JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@lru_cache(maxsize=4)
def tokenizer_of(model: str, revision: str | None = None) -> HfTokenizer:
    """The tokenizer of a model directory, a URI or a name on the Hub; loaded once a process."""
    return HfTokenizer(Path(tokenizer_file(model, revision)))


@lru_cache(maxsize=2)
def chat_student(model: str) -> ChatStudent:
    """As `tokenizer_of`, with the chat template."""
    return ChatStudent(model)
