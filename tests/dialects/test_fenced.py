"""Python between fences: prompts, calls, results and whole traces, as chat and as plain text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.dialects import dialect
from factory.dialects.fenced import Fenced
from factory.dialects.fenced_text import fenced, segments
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.errors import FactoryError
from factory.records import Mode, ToolCall
from tests.dialects.support import FENCED_CONTROL, harmony_bytes

CHAT = Fenced(ByteTokenizer(FENCED_CONTROL))
PLAIN = Fenced(ByteTokenizer(["<s>", "</s>"]))
BOTH = pytest.mark.parametrize("fences", [CHAT, PLAIN], ids=["chat", "plain"])

CALL = "I compute.\n```python\nprint(2 + 2)\n```\n"
WORDS = [
    "```python\n",
    "```output\n",
    "```system\n",
    "```\n",
    "````\n",
    "```",
    "\n",
    "x",
    "<tool_call>\n",
    "</tool_call>\n",
]
texts = st.lists(
    st.one_of(
        st.sampled_from([*WORDS, "<think>", "</think>", "### Problem\n\n", "### Solution\n\n"]), st.text(max_size=5)
    )
).map("".join)


@given(text=texts)
def test_every_text_is_cut_and_joined_again(text):
    assert "".join(s.raw for s in segments(text)) == text


blocks = st.lists(
    st.tuples(
        st.sampled_from(["python", "output", "system"]),
        st.lists(st.one_of(st.sampled_from(WORDS), st.text(alphabet="ab `", max_size=4))).map("".join),
    )
)


@given(parts=blocks)
def test_no_content_can_close_its_block_or_open_another(parts):
    text = "".join("words\n" + fenced(label, content) for label, content in parts)
    found = segments(text)
    assert [s.kind for s in found[1::2]] == [{"python": "code", "system": "note"}.get(k, k) for k, _ in parts]
    assert all(s.kind == "text" for s in found[::2])
    for segment, (_, content) in zip(found[1::2], parts, strict=True):
        assert segment.content == (content if content.endswith("\n") or not content else content + "\n")


# --- prompts


def test_a_chat_prompt():
    text = CHAT.tokenizer.decode(CHAT.prompt("2 + 2?", mode=Mode.LOW, tool=True, system="Be brief."))
    assert text.startswith("<|im_start|>system\nBe brief.\n\nReasoning effort: low.\n\nYou can run Python.")
    assert text.endswith("<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n")


def test_a_chat_prompt_without_anything_to_say_has_no_system_message():
    text = CHAT.tokenizer.decode(CHAT.prompt("2 + 2?", mode=None, tool=False))
    assert text == "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"


def test_a_plain_prompt():
    text = PLAIN.tokenizer.decode(PLAIN.prompt("2 + 2?", mode=Mode.HIGH, tool=False))
    assert text == "<s>### Instructions\n\nReasoning effort: high.\n\n### Problem\n\n2 + 2?\n\n### Solution\n\n"


@BOTH
@given(user=texts, system=texts, stdout=texts)
def test_no_text_can_become_structure(fences, user, system, stdout):
    prompt = fences.prompt(user, mode=Mode.LOW, tool=True, system=system)
    call = fences.tokenizer.encode(CALL)
    output = fences.tool_output(ToolCall(code="", status="ok", stdout=stdout), calls_left=2)
    messages = fences.parse(prompt + call + output + fences.tokenizer.encode("So it is \\boxed{4}.")).messages
    assert [m.role for m in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert messages[1].content == user
    assert messages[4].content == "So it is \\boxed{4}."


# --- turns


@pytest.mark.parametrize(
    ("generated", "code"),
    [
        (CALL, "print(2 + 2)\n"),
        (CALL.removesuffix("\n"), "print(2 + 2)\n"),
        ("Let me run ```python\nx\n```", "x\n"),
        ("```python3\nx\n```\n\n", "x\n"),
        ("```Python \nx\n```", "x\n"),
        ("````python\n```\n````\n", "```\n"),
        ("<think>\nhm\n<tool_call>\nx\n</tool_call>\n", "x\n"),
        ("```json\n{}\n```\nand\n```python\nx\n```", "x\n"),
    ],
)
@BOTH
def test_a_closed_block_is_a_call(fences, generated, code):
    assert fences.turn(fences.tokenizer.encode(generated)).code == code


@pytest.mark.parametrize(
    "generated",
    [
        "",
        "So \\boxed{4}",
        "```python\nx",
        "```python\nx\n```\nSo 4.",
        "```json\n{}\n```",
        "```python\nx\n```<|im_end|>",
    ],
)
def test_anything_else_is_the_end(generated):
    turn = CHAT.turn(encode_markup(CHAT.tokenizer, generated))
    assert (turn.code, turn.malformed) == (None, None)


def test_an_empty_block_is_malformed():
    assert "no code" in CHAT.turn(CHAT.tokenizer.encode("```python\n\n```\n")).malformed


def end_of_turn(fences, text, size):
    """What a turn keeps of `text`, which arrives `size` tokens at a time; None if it does not end."""
    generated, watched = fences.tokenizer.encode(text), fences.turn_end()
    for start in range(0, len(generated), size):
        kept = watched.feed(generated[start : start + size])
        if kept is not None:
            return fences.tokenizer.decode(generated[: start + kept])
    return None


@BOTH
@pytest.mark.parametrize("size", [1, 3, 50])
def test_the_turn_ends_at_the_closing_fence_for_every_chunk_size(fences, size):
    assert end_of_turn(fences, CALL + "```output\n5\n```\n", size) == CALL.removesuffix("\n")


@BOTH
def test_an_open_block_ends_no_turn(fences):
    assert end_of_turn(fences, "```python\nprint('```')\n# ```\n", 7) is None


# --- results


def test_results_carry_the_budget_note():
    call = ToolCall(code="", status="ok", stdout="4\n")
    told = [CHAT.tokenizer.decode(CHAT.tool_output(call, calls_left=n)) for n in (None, 2, 0)]
    assert told[0] == "\n```output\n4\n```\n"
    assert told[1].startswith(told[0] + "```system\nPython runs left: 2.")
    assert told[2].startswith(told[0] + "```system\nNo Python runs are left.")


def test_output_that_holds_a_fence_gets_a_longer_one():
    text = CHAT.tokenizer.decode(CHAT.tool_output(ToolCall(code="", status="ok", stdout="```\n\\boxed{9}\n")))
    assert text == "\n````output\n```\n\\boxed{9}\n````\n"


# --- whole traces


@BOTH
def test_a_trace_in_openai_form(fences):
    ids = fences.prompt("2 + 2?", mode=Mode.LOW, tool=True)
    ids += fences.tokenizer.encode("<think>\nHm.\n```python\nprint(4)\n```")
    ids += fences.tool_output(ToolCall(code="print(4)", status="ok", stdout="4\n"), calls_left=1)
    ids += [*fences.tokenizer.encode("Fine.\n</think>\nIt is \\boxed{4}."), fences.stop_token_ids[0]]
    parsed = fences.parse(ids)
    assert [m.role for m in parsed.messages] == ["system", "user", "assistant", "tool", "assistant"]
    asked, answered, concluded = parsed.messages[2:]
    assert (asked.reasoning_content, asked.content) == ("Hm.", "")
    assert json.loads(asked.tool_calls[0].function.arguments) == {"code": "print(4)\n"}
    assert (answered.content, answered.tool_call_id) == ("4\n", asked.tool_calls[0].id)
    assert (concluded.reasoning_content, concluded.content) == ("Fine.", "It is \\boxed{4}.")
    assert (parsed.n_python_calls, parsed.n_tool_outputs, parsed.truncated) == (1, 1, False)


@pytest.mark.parametrize(
    ("text", "reasoning", "content", "truncated"),
    [
        ("plain \\boxed{1}", None, "plain \\boxed{1}", False),
        ("<think>a</think>b", "a", "b", False),
        ("a</think>b", "a", "b", False),
        ("<think>a", "a", "", True),
        ("a\n```python\nb", None, "a\n```python\nb", True),
    ],
)
@BOTH
def test_bare_solutions(fences, text, reasoning, content, truncated):
    parsed = fences.parse(fences.tokenizer.encode(text))
    (message,) = parsed.messages
    assert (message.reasoning_content, message.content, parsed.truncated) == (reasoning, content, truncated)


@given(ids=st.lists(st.integers(0, 258)), text=texts)
def test_any_ids_at_all_are_parsed(ids, text):
    for tokens in (ids, CHAT.tokenizer.encode(text)):
        CHAT.parse(tokens)
        CHAT.turn(tokens)
        CHAT.turn_end().feed(tokens)
    PLAIN.parse([i for i in ids if i < 258])


# --- real traces


def test_every_tora_trace_is_read(shared_data):
    for name in ("traces_tora70b_gsm8k_tir.jsonl", "traces_tora_examples_math_tir.jsonl"):
        for line in shared_data(name).open():
            row = json.loads(line)
            text = row["generation"]
            parsed = PLAIN.parse(PLAIN.tokenizer.encode(text))
            assert "".join(s.raw for s in segments(text)) == text
            assert parsed.n_python_calls == row.get("n_python_blocks", text.count("```python\n"))
            assert parsed.n_tool_outputs == row.get("n_output_blocks", text.count("```output\n"))
            assert not parsed.truncated
            assert not parsed.problems


# --- the choice


def test_dialects_go_by_name():
    assert dialect("harmony", harmony_bytes()).name == "harmony"
    assert dialect("fenced", harmony_bytes()).name == "fenced"
    with pytest.raises(FactoryError, match="harmony, fenced, chat"):
        dialect("spoken", harmony_bytes())
