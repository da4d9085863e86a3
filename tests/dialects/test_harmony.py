"""The harmony dialect on what models write, well formed or not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.dialects.harmony import Harmony
from factory.dialects.harmony_header import Header, read_header
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer, HfTokenizer, encode_markup
from factory.errors import FactoryError
from factory.records import Mode, ToolCall
from tests.dialects.support import bpe_json, harmony_bytes

TOKENIZER = harmony_bytes()
HARMONY = Harmony(TOKENIZER)
CONTROL_IDS = set(TOKENIZER.control.values())
PROMPT = "<|start|>system<|message|>s<|end|><|start|>user<|message|>q<|end|><|start|>assistant"


def ids(text: str) -> list[int]:
    return encode_markup(TOKENIZER, text)


def parse(text: str):
    return HARMONY.parse(ids(text))


# --- prompts


def test_the_prompt_names_mode_tool_and_a_fixed_date():
    with_tool = TOKENIZER.decode(HARMONY.prompt("2 + 2?", mode=Mode.HIGH, tool=True))
    without = TOKENIZER.decode(HARMONY.prompt("2 + 2?", mode=Mode.LOW, tool=False))
    assert "Reasoning: high\n\n# Tools\n\n## python\n\n" in with_tool
    assert "Reasoning: low\n\n# Valid channels: analysis, commentary, final." in without
    assert "Current date: 2025-08-05" in without
    assert without.endswith("<|start|>user<|message|>2 + 2?<|end|><|start|>assistant")


def test_instructions_are_the_developers():
    text = TOKENIZER.decode(HARMONY.prompt("q", mode=None, tool=False, system="Be brief."))
    assert "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|><|start|>user" in text
    assert "Reasoning: medium" in text


def test_date_and_description_are_choices():
    dialect = Harmony(TOKENIZER, current_date="2031-01-02", python_description="Runs code.")
    text = TOKENIZER.decode(dialect.prompt("q", mode=Mode.LOW, tool=True))
    assert "Current date: 2031-01-02" in text
    assert "## python\n\nRuns code.\n\n# Valid" in text


def test_a_tokenizer_without_the_control_tokens_is_refused():
    with pytest.raises(FactoryError, match=r"<\|call\|>"):
        Harmony(ByteTokenizer(["<|start|>", "<|end|>"]))


hostile = st.lists(st.one_of(st.sampled_from(CONTROL_TOKENS), st.text(max_size=5))).map("".join)


@pytest.fixture(scope="module", params=["bytes", "bpe"])
def any_harmony(request, tmp_path_factory):
    if request.param == "bytes":
        return HARMONY
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    path.write_text(bpe_json())
    return Harmony(HfTokenizer(path))


@given(user=hostile, system=hostile, stdout=hostile, stderr=hostile)
def test_no_text_can_become_structure(any_harmony, user, system, stdout, stderr):
    control = set(any_harmony.tokenizer.control.values())
    prompt = any_harmony.prompt(user, mode=Mode.LOW, tool=True, system=system)
    output = any_harmony.tool_output(ToolCall(code="", status="error", stdout=stdout, stderr=stderr), calls_left=0)
    assert sum(i in control for i in prompt) == (10 if system else 7)  # three a message, and one that opens the next
    assert sum(i in control for i in output) == 5
    messages = any_harmony.parse(prompt + output).messages
    assert [m.role for m in messages] == ["system", *(["developer"] if system else []), "user", "tool"]
    assert [m.content for m in messages if m.role == "user"] == [user]


# --- turns


@pytest.mark.parametrize(
    "generated",
    [
        "<|channel|>analysis to=python code<|message|>print(1)<|call|>",
        " to=python<|channel|>analysis<|message|>print(1)<|call|>",
        " to=python<|channel|>commentary code<|message|>print(1)<|call|>",
        "<|channel|>commentary to=python code<|message|>print(1)<|call|>",
        "<|channel|>commentary to=functions.python <|constrain|>python<|message|>print(1)<|call|>",
        "<|channel|>analysis to=python<|constrain|>code<|message|>print(1)<|call|>",
        '<|channel|>commentary to=functions.stateful_python_code_exec json<|message|>{"code": "print(1)"}<|call|>',
        '<|channel|>commentary to=functions.python <|constrain|>json<|message|>{"code": "print(1)"}<|call|>',
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>analysis to=python code"
        "<|message|>print(1)<|call|>",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant to=python<|channel|>analysis code"
        "<|message|>print(1)<|call|>",
        "<|start|>assistant<|channel|>analysis to=python code<|message|>print(1)<|call|>",
    ],
)
def test_a_call_is_read_wherever_its_recipient_stands(generated):
    turn = HARMONY.turn(ids(generated))
    assert (turn.code, turn.malformed) == ("print(1)", None)


@pytest.mark.parametrize(
    ("generated", "why"),
    [
        ("<|channel|>analysis<|message|>print(1)<|call|>", "no recipient"),
        ("<|channel|>analysis to=browser.open<|message|>x<|call|>", "'browser.open'"),
        ("<|channel|>analysis to=pythonista code<|message|>x<|call|>", "'pythonista'"),
        ("<|channel|>analysis to=python code<|message|> \n<|call|>", "no code"),
        ("<|channel|>analysis to=python code<|call|>", "no code"),
        ("<|channel|>commentary to=python json<|message|>{<|call|>", "JSON"),
        ("<|channel|>commentary to=python json<|message|>" + "[" * 100_000 + "<|call|>", "JSON"),
        ("<|channel|>commentary to=python json<|message|>[1]<|call|>", "'code'"),
        ('<|channel|>commentary to=python json<|message|>{"code": 3}<|call|>', "'code'"),
        ("<|call|>", "no recipient"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(generated, why):
    turn = HARMONY.turn(ids(generated))
    assert turn.code is None
    assert why in turn.malformed


@pytest.mark.parametrize(
    "generated",
    [
        "",
        "<|channel|>final<|message|>4<|return|>",
        "<|channel|>analysis to=python code<|message|>print(1)",
        "<|channel|>analysis to=python code<|message|>print(1)<|return|>",
    ],
)
def test_a_turn_without_a_closed_call_has_ended(generated):
    turn = HARMONY.turn(ids(generated))
    assert (turn.code, turn.malformed) == (None, None)


# --- results


def test_a_result_is_stdout_then_stderr_and_opens_the_next_turn():
    output = HARMONY.tool_output(ToolCall(code="", status="error", stdout="1", stderr="ValueError: no\n"))
    assert TOKENIZER.decode(output) == (
        "<|start|>python to=assistant<|channel|>analysis<|message|>1\nValueError: no\n<|end|><|start|>assistant"
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (ToolCall(code="", status="timeout", stdout="a\n"), "a\nExecution was stopped: it ran out of time."),
        (ToolCall(code="", status="memory"), "out of memory"),
        (ToolCall(code="", status="disk"), "out of disk"),
        (ToolCall(code="", status="killed", state_lost=True), "earlier variables and imports are gone"),
        (ToolCall(code="", status="timeout", stderr="Stopped after 3 s.\n"), "<|message|>Stopped after 3 s.\n<|end|>"),
        (ToolCall(code="", status="malformed", stderr="no code"), "no code\nThe code was not run."),
        (ToolCall(code="", status="ok"), "no output"),
    ],
)
def test_what_happened_is_said_in_words(call, words):
    assert words in TOKENIZER.decode(HARMONY.tool_output(call))


def test_only_the_last_call_says_that_none_is_left():
    call = ToolCall(code="", status="ok", stdout="1\n")
    told = [TOKENIZER.decode(HARMONY.tool_output(call, calls_left=n)) for n in (None, 3, 1, 0)]
    assert ["No Python calls are left" in text for text in told] == [False, False, False, True]


# --- whole traces


def test_a_trace_in_openai_form():
    parsed = parse(
        PROMPT
        + "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|channel|>commentary<|message|>I compute."
        "<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(1)<|call|>"
        "<|start|>python to=assistant<|channel|>analysis<|message|>1\n<|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>one<|end|>"
        "<|start|>assistant<|channel|>final<|message|>\\boxed{1}<|return|>"
    )
    assert [m.role for m in parsed.messages] == ["system", "user", "assistant", "tool", "assistant"]
    asked, answered, concluded = parsed.messages[2:]
    assert (asked.reasoning_content, asked.content) == ("think", "I compute.")
    assert asked.tool_calls[0].function.name == "stateful_python_code_exec"
    assert json.loads(asked.tool_calls[0].function.arguments) == {"code": "print(1)"}
    assert (answered.content, answered.tool_call_id) == ("1\n", asked.tool_calls[0].id)
    assert (concluded.reasoning_content, concluded.content) == ("one", "\\boxed{1}")
    assert (parsed.n_python_calls, parsed.n_tool_outputs, parsed.truncated) == (1, 1, False)
    assert parsed.final_text == "\\boxed{1}"
    assert parsed.problems == []


def test_calls_back_to_back_are_two_calls():
    call = "<|channel|>analysis to=python code<|message|>x<|call|>"
    result = "<|start|>python to=assistant<|channel|>analysis<|message|>1<|end|><|start|>assistant"
    parsed = parse(PROMPT + call + result + call + result)
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (2, 2)
    assert [m.role for m in parsed.messages[2:]] == ["assistant", "tool", "assistant", "tool"]
    assert parsed.messages[2].tool_calls[0].id != parsed.messages[4].tool_calls[0].id


def test_calls_of_other_functions_are_kept_and_not_counted_as_python():
    parsed = parse(
        PROMPT + '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"a":1}<|call|>'
        "<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>rain<|end|>"
    )
    call = parsed.messages[2].tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"a":1}')
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (0, 1)


@pytest.mark.parametrize(
    ("tail", "truncated", "final_text"),
    [
        ("<|channel|>analysis<|message|>so \\boxed{1}", True, "so \\boxed{1}"),
        ("<|channel|>final<|message|>so", True, "so"),
        ("<|channel|>ana", True, ""),
        ("", True, ""),
        ("<|channel|>analysis to=python code<|message|>pri", True, "pri"),
        ("<|channel|>analysis<|message|>so<|return|>", False, "so"),
        ("<|channel|>final<|message|>so<|end|>", False, "so"),
        ("no channel at all<|return|>", False, "no channel at all"),
    ],
)
def test_tails_are_data(tail, truncated, final_text):
    parsed = parse(PROMPT + tail)
    assert (parsed.truncated, parsed.final_text) == (truncated, final_text)
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (0, 0)


@given(tokens=st.lists(st.one_of(st.sampled_from(sorted(CONTROL_IDS)), st.integers(0, 255))))
def test_any_ids_at_all_are_parsed_and_joined_again(tokens):
    assert HARMONY.tokens.join(HARMONY.tokens.split(tokens)) == tokens
    HARMONY.parse(tokens)
    HARMONY.turn(tokens)


markup = st.lists(
    st.sampled_from([*CONTROL_TOKENS, "assistant", "python", " to=python", " code", "analysis", "final", " json", "x"])
).map("".join)


@given(text=markup)
def test_anything_made_of_the_formats_own_pieces_is_parsed_and_joined_again(text):
    tokens = ids(text)
    assert HARMONY.tokens.join(HARMONY.tokens.split(tokens)) == tokens
    parsed = HARMONY.parse(tokens)
    assert parsed.n_python_calls <= text.count("<|call|>")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("assistant", Header("assistant")),
        ("assistant<|channel|>final", Header("assistant", None, "final")),
        ("assistant to=f<|channel|>commentary <|constrain|>json", Header("assistant", "f", "commentary", "json")),
        ("assistant<|channel|>commentary to=f<|constrain|>json", Header("assistant", "f", "commentary", "json")),
        ("assistant<|channel|>analysis to=python code", Header("assistant", "python", "analysis", "code")),
        ("assistant<|channel|>analysis code to=python", Header("assistant", "python", "analysis", "code")),
        ("browser.search to=assistant<|channel|>commentary", Header("browser.search", "assistant", "commentary")),
        (" to=python<|channel|>analysis", Header("", "python", "analysis")),
        ("assistant<|channel|>", Header("assistant")),
        ("", Header()),
    ],
)
def test_headers(header, expected):
    (message,) = HARMONY.tokens.split(ids(f"<|start|>{header}<|message|>"))
    assert read_header(HARMONY.tokens, message) == expected


# --- real token ids


def test_real_token_ids_are_cut_into_messages(shared_data):
    """Two reference files hold ids of the o200k_harmony vocabulary."""
    o200k = {"<|return|>": 200002, "<|constrain|>": 200003, "<|channel|>": 200005, "<|start|>": 200006}
    o200k |= {"<|end|>": 200007, "<|message|>": 200008, "<|call|>": 200012}
    words = {35644: "analysis", 173781: "assistant", 17196: "final", 316: " to", 28: "=", 3490: " code"}

    class Known:
        control = o200k

        def encode(self, text):
            raise NotImplementedError

        def decode(self, token_ids):
            return "".join(words.get(i, "?") for i in token_ids)

    tokens = Harmony(Known()).tokens
    read = {}
    for line in shared_data("harmony_reference_renderings.jsonl").open():
        row = json.loads(line)
        if row["harmony_text"][:1].isdigit():
            recorded = [int(word) for word in row["harmony_text"].split()]
            messages = tokens.split(recorded)
            assert tokens.join(messages) == recorded
            read[row["id"]] = [read_header(tokens, m) for m in messages]
    response, call = read.values()
    assert response == [Header("", None, "analysis"), Header("assistant", None, "final")]
    assert call == [Header("", None, "analysis"), Header("assistant", "??", "analysis", "code")]
