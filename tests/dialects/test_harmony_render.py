"""Conversations become the very text of the reference renderer, and what is rendered reads back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.dialects.harmony_message import CONTROL_TOKENS, HarmonyTokens
from factory.dialects.harmony_render import Said, render
from factory.dialects.typescript import type_of
from tests.dialects.conversations import CASES, OPTIONS, TWO_FINALS
from tests.dialects.support import harmony_bytes

TOKENIZER = harmony_bytes()
TOKENS = HarmonyTokens(TOKENIZER)
PARSED_ONLY = {"simple_reasoning_response", "simple_tool_call", "streamable_parser", "tool_response_parsing"}
"""Files that record what a model or a tool said; nothing renders them."""


def test_every_reference_file_is_covered(shared_data):
    assert {name for name, _ in _references(shared_data)} == CASES.keys() | PARSED_ONLY


@pytest.mark.parametrize("name", CASES)
def test_reference_renderings_are_reproduced(shared_data, name):
    reference = dict(_references(shared_data))[name].removesuffix("\n")  # the line end of the file
    options = OPTIONS.get(name, {"next_role": "assistant"})
    assert TOKENIZER.decode(render(TOKENS, CASES[name](reference), **options)) == reference


def _references(shared_data):
    for line in shared_data("harmony_reference_renderings.jsonl").open():
        row = json.loads(line)
        yield row["id"].removeprefix("harmony-test_").removesuffix(".txt"), row["harmony_text"]


def test_training_ends_with_return_and_history_with_end():
    ids = render(TOKENS, TWO_FINALS, training=True)
    assert ids[-1] == TOKENS.return_
    assert ids.count(TOKENS.return_) == 1
    assert render(TOKENS, TWO_FINALS)[-1] == TOKENS.end


names = st.sampled_from(["python", "functions.f", "browser.search"])
texts = st.lists(st.one_of(st.sampled_from(CONTROL_TOKENS), st.text(max_size=6))).map("".join)
said = st.builds(
    Said,
    role=st.sampled_from(["system", "developer", "user", "assistant", "python", "functions.f"]),
    content=texts,
    recipient=st.one_of(st.none(), names),
    channel=st.sampled_from([None, "analysis", "commentary", "final"]),
    content_type=st.sampled_from([None, "code", "json", "<|constrain|>json"]),
)


@given(conversation=st.lists(said, max_size=6))
def test_what_is_rendered_reads_back_whatever_the_text_spells(conversation):
    messages = TOKENS.split(render(TOKENS, conversation, keep_analysis=True))
    assert len(messages) == len(conversation)
    for message, original in zip(messages, conversation, strict=True):
        header = TOKENS.read_header(message.header)
        assert TOKENIZER.decode(message.content) == original.content
        assert (header.role, header.recipient, header.channel) == (original.role, original.recipient, original.channel)
        assert (header.content_type or "") == (original.content_type or "").removeprefix("<|constrain|>")
        calls = original.role == "assistant" and original.recipient
        assert message.end == (TOKENS.call if calls else TOKENS.end)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "any"),
        ({"type": "mystery"}, "any"),
        ({"type": "array"}, "Array<any>"),
        ({"type": "array", "items": {"type": "integer"}}, "number[]"),
        ({"type": ["integer", "null"]}, "number | null"),
        ({"type": "object"}, "{\n}"),
        (
            {"oneOf": [{"type": "string"}, {"type": "boolean", "default": True}]},
            "\n | string\n | boolean // default: true",
        ),
        (
            {"type": "object", "properties": {"p": {"type": "object", "properties": {"q": {"type": "number"}}}}},
            "{\np?: {\n    q?: number,\n    },\n}",
        ),
        (
            {"type": "object", "properties": {"p": {"type": "array", "default": [1, {"a": None}]}}},
            '{\np?: Array<any>, // default: [1,{"a":null}]\n}',
        ),
    ],
)
def test_types(schema, expected):
    assert type_of(schema) == expected
