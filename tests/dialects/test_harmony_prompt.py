"""Openings become the very text of the reference renderer, and what is written reads back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.dialects.harmony_header import read_header
from factory.dialects.harmony_message import CONTROL_TOKENS, HarmonyTokens
from factory.dialects.harmony_prompt import SystemContent, developer_text
from tests.dialects.support import harmony_bytes

TOKENIZER = harmony_bytes()
TOKENS = HarmonyTokens(TOKENIZER)
TWO_CHANNELS = ("analysis", "final")
CAPITAL = "What is the capital of the largest country in the world?"
CANDY = "What is the best place to eat candy in the world?"
ROBOT = "Answer the user's questions like a robot."


def asks(effort, question, instructions="", **content):
    messages = [("system", SystemContent(reasoning=effort, **content).render())]
    messages += [("developer", developer_text(instructions))] if instructions else []
    return [*messages, ("user", question)]


OPENINGS = {
    "no_tools": [("system", SystemContent(current_date="2025-06-28").render())],
    "reasoning_system_message": asks("medium", "What is 2 + 2?", channels=TWO_CHANNELS),
    "reasoning_system_message_no_instruction": asks("high", CANDY, channels=TWO_CHANNELS),
    "reasoning_system_message_with_dates": asks(
        "medium", "What is 42 * pi?", channels=TWO_CHANNELS, knowledge_cutoff="2021-01", current_date="2021-01-01"
    ),
    "simple_convo": asks("medium", "What is 2 + 2?"),
    "simple_convo_low_effort": asks("low", CAPITAL, ROBOT),
    "simple_convo_medium_effort": asks("medium", CAPITAL, ROBOT),
    "simple_convo_high_effort": asks("high", CAPITAL, ROBOT),
    "simple_convo_low_effort_no_instruction": asks("low", CAPITAL),
    "simple_convo_medium_effort_no_instruction": asks("medium", CAPITAL),
    "simple_convo_high_effort_no_instruction": asks("high", CAPITAL),
}
"""Name of a reference file -> the messages of its conversation, after which the assistant speaks."""


def _references(shared_data):
    for line in shared_data("harmony_reference_renderings.jsonl").open():
        row = json.loads(line)
        yield row["id"].removeprefix("harmony-test_").removesuffix(".txt"), row["harmony_text"]


@pytest.mark.parametrize("name", OPENINGS)
def test_reference_renderings_are_reproduced(shared_data, name):
    reference = dict(_references(shared_data))[name].removesuffix("\n")  # the line end of the file
    ids = [token for role, text in OPENINGS[name] for token in TOKENS.write(role, text)]
    assert TOKENIZER.decode(ids + TOKENS.open("assistant")) == reference


texts = st.lists(st.one_of(st.sampled_from(CONTROL_TOKENS), st.text(max_size=6))).map("".join)
messages = st.tuples(
    st.sampled_from(["system", "developer", "user", "assistant", "python", "functions.f"]),
    texts,
    st.sampled_from([None, "python", "functions.f", "browser.search"]),
    st.sampled_from([None, "analysis", "commentary", "final"]),
)


@given(conversation=st.lists(messages, max_size=6))
def test_what_is_written_reads_back_whatever_the_text_spells(conversation):
    ids = [
        token
        for role, text, recipient, channel in conversation
        for token in TOKENS.write(role, text, recipient=recipient, channel=channel)
    ]
    read = []
    for message in TOKENS.split(ids):
        header = read_header(TOKENS, message)
        read.append((header.role, TOKENIZER.decode(message.content), header.recipient, header.channel))
        assert (message.end, header.surplus) == (TOKENS.end, "")
    assert read == conversation
