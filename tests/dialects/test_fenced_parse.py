"""What models write between fences and tags: glued, quoted, only shown, or as arguments in JSON and XML."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.dialects.fenced import Fenced
from factory.dialects.fenced_text import Scanner, segments
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.programs.traces import final_answer
from factory.records import Mode, Origin, ToolCall
from tests.dialects.support import FENCED_CONTROL

CHAT = Fenced(ByteTokenizer(FENCED_CONTROL))
PLAIN = Fenced(ByteTokenizer([]))
OUTPUT = "```output\n12\n```\n"


def parse(text: str):
    return PLAIN.parse(PLAIN.tokenizer.encode(text))


def parse_chat(text: str):
    return CHAT.parse(encode_markup(CHAT.tokenizer, text))


def codes(parsed) -> list[str]:
    calls = [call for m in parsed.messages for call in m.tool_calls or []]
    return [json.loads(call.function.arguments)["code"].strip() for call in calls]


def outputs(parsed) -> list[str]:
    return [m.content.strip() for m in parsed.messages if m.role == "tool"]


# --- fences that are not alone on their lines


@pytest.mark.parametrize(
    "text",
    [
        "I run it.\n```python\nprint(12)```\n```output\n12\n```\nSo 12.",
        "```python\nprint(12)``` \n\n```output\n12\n```\n",
        "```python\nprint(12)\n``````output\n12\n```\n",
        "```python\nprint(12)``````output\n12\n```\n",
        "```python\nprint(12)\n``` ```output\n12\n```\n",
        "```python\nprint(12)\n```output\n12\n```\n",
        "```python\nprint(12)\n```\n```output\n12```\nSo 12.",
        "```python\nprint(12)\n```\n```output 12\n```\n",
        "```python\nprint(12)\n```\n```output 12```\n",
        "```python\nprint(12)\n```\nThis gives ```output\n12\n```\n",
        "```python\nprint(12)\n```\n```output\n12\n```So 12.",
        "Let me ```py\nprint(12)\n```\n\n\n```output\n12\n```\n",
        "````python\nprint(12)\n````\n```output\n12\n```\n",
        "```python\r\nprint(12)\r\n```\r\n```output\r\n12\r\n```\r\n",
        "  ```python\n  print(12)\n  ```\n  ```output\n  12\n  ```\n",
    ],
)
def test_a_call_and_its_output(text):
    parsed = parse(text)
    assert (codes(parsed), outputs(parsed)) == (["print(12)"], ["12"])
    assert (parsed.n_python_calls, parsed.n_tool_outputs, parsed.truncated, parsed.problems) == (1, 1, False, [])
    assert "`" not in "".join(m.content for m in parsed.messages)


@pytest.mark.parametrize(
    "code",
    [
        "print('```')",
        'print("""\nUse ```x``` here\n""")',
        "x = 1  # as in ```python",
        "print('it\\'s ```')",
        "s = ''  # '```'\nt = '```'",
        "'''\n'''; print(\"```\")",
    ],
)
def test_a_fence_inside_a_string_or_a_comment_is_code(code):
    text = f"```python\n{code}\n```\n{OUTPUT}"
    assert codes(parse(text)) == [code]
    assert CHAT.turn(CHAT.tokenizer.encode(f"```python\n{code}\n```")).code == code + "\n"


def test_a_string_that_is_left_open_does_not_swallow_the_rest():
    parsed = parse(f"```python\ns = '''abc\n```\n{OUTPUT}")
    assert (codes(parsed), outputs(parsed)) == (["s = '''abc"], ["12"])


def test_quoted_fences_and_tags_are_words():
    for text in (
        "> ```python\n> print(12)\n> ```\n\\boxed{12}",
        "The tag `<tool_call>` opens a call; \\boxed{12}",
        "Text such as ```python is not code. \\boxed{12}",
    ):
        parsed = parse(text)
        assert [m.content for m in parsed.messages] == [text]
        assert (parsed.n_python_calls, parsed.truncated, final_answer(parsed)) == (0, False, "12")


# --- tags


@pytest.mark.parametrize(
    "body",
    [
        "print(12)",
        '{"name": "python", "arguments": {"code": "print(12)"}}',
        '{"name": "stateful_python_code_exec", "arguments": "{\\"code\\": \\"print(12)\\"}"}',
        '{"code": "print(12)"}',
        "<function=python>\n<parameter=code>\nprint(12)\n</parameter>\n</function>",
    ],
)
@pytest.mark.parametrize(
    "shape", ["\n<tool_call>\n{}\n</tool_call>\n", "I call<tool_call>\n{}\n</tool_call>", "<tool_call>{}</tool_call>\n"]
)
def test_a_tagged_call_is_a_call_whatever_its_body(body, shape):
    text = shape.format(body)
    parsed = parse(text + "<tool_response>\n12\n</tool_response>\n\\boxed{12}")
    assert (codes(parsed), outputs(parsed), parsed.n_python_calls) == (["print(12)"], ["12"], 1)
    assert (CHAT.turn(CHAT.tokenizer.encode(text)).code or "").strip() == "print(12)"
    assert parse(text).n_python_calls == 1, "it is a call, answered or not"
    scanner = Scanner()
    scanner.feed(text + "\n")
    assert scanner.asks


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"name": "search", "arguments": {"q": "x"}}', "no tool named 'search'"),
        ("<function=search>\n</function>", "no tool named 'search'"),
        ('{"name": "python", "arguments": {"code": 3}}', "'code'"),
        ('{"name": "python", "arguments": null}', "'code'"),
        ('{"name": "python", "argu', "JSON"),
        ("<function=python>\n</function>", "'code'"),
        ('{"name": ' + "[" * 50_000, "JSON"),
        (" ", "no code"),
    ],
)
def test_what_is_wrong_with_a_tagged_call_is_said(body, why):
    text = f"<tool_call>\n{body}\n</tool_call>"
    assert why in (CHAT.turn(CHAT.tokenizer.encode(text)).malformed or "")
    assert len(parse(text).messages[0].tool_calls) == 1


def test_calls_made_in_one_go_are_answered_in_order():
    call = '<tool_call>\n{{"name": "python", "arguments": {{"code": "{}"}}}}\n</tool_call>\n'
    response = "<tool_response>\n{}\n</tool_response>\n"
    parsed = parse_chat(
        f"<|im_start|>assistant\n{call.format('a')}{call.format('b')}<|im_end|>\n"
        f"<|im_start|>user\n{response.format(1)}{response.format(2)}<|im_end|>\n<|im_start|>assistant\nDone.<|im_end|>"
    )
    assert [(m.tool_call_id, m.content) for m in parsed.messages if m.role == "tool"] == [
        ("call_1", "1\n"),
        ("call_2", "2\n"),
    ]


@pytest.mark.parametrize("role", ["tool", "ipython"])
def test_the_role_tool_answers_the_code_before_it(role):
    parsed = parse_chat(
        "<|im_start|>assistant\n```python\nprint(12)\n```<|im_end|>\n"
        f"<|im_start|>{role}\n12<|im_end|>\n<|im_start|>assistant\n\\boxed{{12}}<|im_end|>"
    )
    assert (codes(parsed), outputs(parsed)) == (["print(12)"], ["12"])
    assert parsed.messages[1].tool_call_id == "call_1"


def test_a_user_who_writes_of_responses_stays_a_user():
    text = "<tool_response>\n1\n</tool_response>"
    assert [m.role for m in parse_chat(f"<|im_start|>user\n{text}<|im_end|>\n").messages] == ["user"]


# --- code that was only shown


@pytest.mark.parametrize("behind", ["So it prints 12: \\boxed{12}", "```json\n{}\n```\nSo \\boxed{12}"])
def test_code_without_output_is_text(behind):
    text = f"To see it:\n```python\nprint(12)\n```\n{behind}"
    parsed = parse(text)
    assert [m.content for m in parsed.messages] == [text]
    assert (parsed.n_python_calls, parsed.truncated) == (0, False)


def test_code_at_the_end_of_a_turn_is_a_call_and_before_a_stop_token_is_not():
    text = "```python\nprint(12)\n```"
    assert codes(parse(text)) == ["print(12)"]
    ended = parse_chat(f"<|im_start|>assistant\n{text}<|im_end|>")
    assert (codes(ended), ended.messages[0].content) == ([], text)
    turn = CHAT.turn(encode_markup(CHAT.tokenizer, f"{text}<|im_end|>"))
    assert (turn.code, turn.malformed) == (None, None)


def test_only_the_last_block_before_an_output_was_run():
    parsed = parse(f"```python\na = 1\n```\nor\n```python\na = 2\n```\n{OUTPUT}")
    assert (codes(parsed), parsed.messages[0].content) == (["a = 2"], "```python\na = 1\n```\nor")


def test_what_a_model_without_python_invents_is_its_own_text():
    prompt = CHAT.prompt("q", mode=Mode.LOW, tool=False)
    invented = CHAT.tokenizer.encode(f"```python\nprint(11)\n```\n{OUTPUT}```system\nPython runs left: 9.\n```\nSo 12.")
    parsed = CHAT.parse(prompt + invented, [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * len(invented))
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (0, 0)
    assert parsed.messages[-1].content == CHAT.tokenizer.decode(invented)


@pytest.mark.parametrize("fences", [CHAT, PLAIN], ids=["chat", "plain"])
def test_what_a_tool_said_is_known_by_its_tokens(fences):
    prompt, code = fences.prompt("q", mode=Mode.LOW, tool=True), fences.tokenizer.encode("```python\nprint(12)\n```")
    output = fences.tool_output(ToolCall(code="", status="ok", stdout="```\n<tool_call>\n"), calls_left=3)
    rest = fences.tokenizer.encode("So 12.")
    mask = [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * len(code) + [Origin.TOOL] * len(output)
    parsed = fences.parse(prompt + code + output + rest, mask + [Origin.GENERATED] * len(rest))
    assert (codes(parsed), outputs(parsed)) == (["print(12)"], ["```\n<tool_call>"])
    assert (parsed.messages[-1].content, parsed.final) == ("So 12.", "So 12.")


# --- answers, thoughts, notes


def test_a_thought_after_the_answer_does_not_override_it():
    parsed = parse("<think>hm</think>\\boxed{12}<think>were it 5: \\boxed{5}</think>")
    assert [(m.reasoning_content, m.content) for m in parsed.messages] == [
        ("hm", "\\boxed{12}"),
        ("were it 5: \\boxed{5}", ""),
    ]
    assert final_answer(parsed) == "12"


def test_a_note_is_dropped_behind_an_output_only():
    note = "```system\nPython runs left: 3.\n```\n"
    parsed = parse(f"```python\nx\n```\n{OUTPUT}{note}So 12.\n{note}")
    assert parsed.messages[-1].content == f"So 12.\n{note.strip()}"


# --- any text at all

TAGS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
FENCES = ["```python\n", "```output\n", "```json\n", "```\n", "```", "``", "`", "````python\n", "\n", " ", "> "]
pieces = st.lists(
    st.one_of(
        st.sampled_from(FENCES), st.sampled_from(TAGS), st.sampled_from(["w ", "w\n", "'", '"', "#", "\\", "'''"])
    ),
    max_size=40,
)
FUZZ = settings(max_examples=400, derandomize=True)


@FUZZ
@given(pieces=pieces)
def test_no_word_is_lost_and_all_keep_their_order(pieces):
    text = "".join(piece.replace("w", f"w{n}x") for n, piece in enumerate(pieces))
    written = [f"w{n}x" for n, piece in enumerate(pieces) if "w" in piece]
    found = everything(parse(text))
    position = 0
    for word in written:
        position = found.find(word, position)
        assert position >= 0, (word, text, found)


def everything(parsed) -> str:
    texts = []
    for m in parsed.messages:
        texts += [m.reasoning_content or "", m.content, *codes_of(m)]
    return "\n".join(texts)


def codes_of(message) -> list[str]:
    return [json.loads(call.function.arguments)["code"] for call in message.tool_calls or []]


@FUZZ
@given(pieces=pieces, size=st.integers(1, 5))
def test_text_in_pieces_is_cut_as_the_whole_is(pieces, size):
    text = "".join(pieces)
    scanner = Scanner()
    for start in range(0, len(text), size):
        scanner.feed(text[start : start + size])
    assert scanner.finish() == segments(text)
    assert "".join(s.raw for s in segments(text)) == text


@FUZZ
@given(pieces=pieces)
def test_the_turn_that_was_watched_is_the_turn_that_is_read(pieces):
    """Where the watch ends a turn, there is a call; and the messages tell of the same."""
    generated = PLAIN.tokenizer.encode("".join(pieces))
    kept = PLAIN.turn_end().feed(generated)
    if kept is None:
        return
    turn = PLAIN.turn(generated[:kept])
    assert turn.code is not None or turn.malformed is not None
    prompt = PLAIN.prompt("q", mode=None, tool=True)
    output = PLAIN.tool_output(ToolCall(code="", status="ok", stdout="12\n"))
    mask = [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * kept + [Origin.TOOL] * len(output)
    parsed = PLAIN.parse(prompt + generated[:kept] + output, mask)
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (1, 1)
    if turn.code is not None:
        assert codes(parsed) == [turn.code.strip()]


@pytest.mark.parametrize(
    "piece", ["`", "```", "```x", "` ", "'```", "<tool_call>", "a<tool_call>b", "x ```output\n", "```python\n"]
)
def test_long_text_is_read_at_all(piece):
    """In quadratic time it would take minutes (tests/bench/parse_speed.py measures how the time grows)."""
    text = piece * (60_000 // len(piece))
    assert "".join(s.raw for s in segments(text)) == text
    PLAIN.turn_end().feed(PLAIN.tokenizer.encode(text))
    PLAIN.parse(PLAIN.tokenizer.encode(text))
