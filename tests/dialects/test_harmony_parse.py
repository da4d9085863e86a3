"""What models write instead of harmony: roles, headers, calls and ends that are not as the format has them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.dialects.harmony import Harmony
from factory.dialects.harmony_message import CONTROL_TOKENS, END_OF_TEXT
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.programs.traces import final_answer
from factory.records import Origin, ToolCall

HARMONY = Harmony(ByteTokenizer([*CONTROL_TOKENS, END_OF_TEXT]))
PROMPT = "<|start|>user<|message|>How many?<|end|><|start|>assistant"
RESULT = "<|start|>python to=assistant<|channel|>analysis<|message|>12\n<|end|>"
ANSWER = "<|start|>assistant<|channel|>final<|message|>\\boxed{12}<|return|>"


def ids(text: str) -> list[int]:
    return encode_markup(HARMONY.tokenizer, text)


def parse(text: str):
    return HARMONY.parse(ids(text))


def codes(parsed) -> list[str]:
    calls = [call for m in parsed.messages for call in m.tool_calls or []]
    return [json.loads(call.function.arguments)["code"] for call in calls]


def thoughts(parsed) -> list[str]:
    return [m.reasoning_content for m in parsed.messages if m.reasoning_content]


# --- who speaks


@pytest.mark.parametrize(
    "role", ["assistantfinal", "Assistant final", "assistant<|channel|>final", "helper<|channel|>final"]
)
def test_a_final_message_is_the_assistants_however_its_role_is_spelt(role):
    parsed = parse(
        f"{PROMPT}<|channel|>analysis<|message|>3 * 4<|end|><|start|>{role}<|message|>\\boxed{{12}}<|return|>"
    )
    assert [m.role for m in parsed.messages] == ["user", "assistant"]
    assert (parsed.n_tool_outputs, parsed.final, final_answer(parsed)) == (0, "\\boxed{12}", "12")


@pytest.mark.parametrize("role", ["critic", "assisstant", "analysis", "reviewer to=assistant"])
def test_an_unknown_role_is_no_tool_and_is_noted(role):
    parsed = parse(
        f"{PROMPT}<|channel|>analysis<|message|>a<|end|><|start|>{role}<|channel|>analysis<|message|>b<|end|>"
    )
    assert thoughts(parsed) == ["a\n\nb"]
    assert parsed.n_tool_outputs == 0
    assert any(repr(role.split()[0]) in problem for problem in parsed.problems)


@pytest.mark.parametrize(
    "role", ["python to=assistant", "python", "functions.python", "tool", "interpreter to=assistant"]
)
def test_what_stands_behind_a_call_in_a_tools_name_is_its_output(role):
    call = "<|channel|>analysis to=python code<|message|>x<|call|>"
    parsed = parse(f"{PROMPT}{call}<|start|>{role}<|message|>12<|end|>{ANSWER}")
    assert [(m.role, m.tool_call_id) for m in parsed.messages[2:]] == [("tool", "call_1"), ("assistant", None)]


def test_a_function_answers_in_its_own_name():
    parsed = parse(
        f"{PROMPT}<|channel|>commentary to=lookup code<|message|>x<|call|><|start|>lookup<|message|>12<|end|>{ANSWER}"
    )
    assert (parsed.n_python_calls, parsed.n_tool_outputs) == (0, 1)


# --- calls


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>analysis to=python code",
        "analysis to=python code",
        "commentary to=functions.python json",
        " to=python",
        "<|channel|>commentary <|constrain|>code to=python",
        "<|channel|>commentary code to=functions.stateful_python_code_exec",
        "<|channel|>commentary <|constrain|>json to=functions.python",
        "<|channel|>commentary to=functions.python",
    ],
)
def test_a_header_makes_the_same_call_for_the_rollout_and_for_the_messages(header):
    body = '{"code": "print(12)"}' if "functions" in header else "print(12)"
    generated = f"{header}<|message|>{body}<|call|>"
    assert HARMONY.turn(ids(generated)).code == "print(12)"
    parsed = parse(PROMPT + generated + RESULT + ANSWER)
    assert (codes(parsed), parsed.n_python_calls, parsed.n_tool_outputs) == (["print(12)"], 1, 1)
    assert (parsed.problems, thoughts(parsed)) == ([], [])


def test_arguments_may_hold_raw_line_ends_but_must_hold_code():
    generated = '<|channel|>commentary to=functions.python<|message|>{"code": "x = 1\nprint(x)"}<|call|>'
    assert HARMONY.turn(ids(generated)).code == "x = 1\nprint(x)"
    a_dict = "<|channel|>analysis to=python code<|message|>{'code': 1}<|call|>"
    assert HARMONY.turn(ids(a_dict)).code == "{'code': 1}", "Python that only looks like arguments is Python"


@pytest.mark.parametrize("end", ["<|end|>", "<|return|>", ""])
def test_an_output_behind_code_for_python_makes_it_a_call(end):
    parsed = parse(f"{PROMPT}<|channel|>analysis to=python code<|message|>print(12){end}{RESULT}{ANSWER}")
    assert (codes(parsed), parsed.n_python_calls, parsed.n_tool_outputs) == (["print(12)"], 1, 1)
    alone = parse(f"{PROMPT}<|channel|>analysis to=python code<|message|>print(12){end}")
    assert (codes(alone), thoughts(alone)) == ([], ["print(12)"])


def test_a_call_without_recipient_is_counted_where_it_was_answered_or_may_still_be():
    call = "<|channel|>analysis code<|message|>print(12)<|call|>"
    for rest in ("", RESULT):
        parsed = parse(PROMPT + call + rest)
        assert (codes(parsed), parsed.n_python_calls) == (["print(12)"], 1)
        assert parsed.problems == ["the call names no recipient"]
    passed_over = parse(PROMPT + call + "<|start|>user<|message|>Go on.<|end|>" + ANSWER)
    assert (codes(passed_over), thoughts(passed_over)) == ([], ["print(12)"])
    assert "calls nothing" in passed_over.problems[0]


def test_outputs_belong_to_the_call_before_them():
    call = "<|start|>assistant<|channel|>analysis to=python code<|message|>{}<|call|>"
    parsed = parse(call.format("a") + call.format("b") + RESULT + RESULT)
    assert [m.tool_call_id for m in parsed.messages if m.role == "tool"] == ["call_2", None]
    assert parsed.problems == ["a tool output answers no call"]


# --- headers that swallowed something


def test_a_body_without_its_mark_keeps_its_text():
    parsed = parse(PROMPT + "<|channel|>final It is \\boxed{12}.<|return|>")
    assert (parsed.final, final_answer(parsed), parsed.truncated) == ("It is \\boxed{12}.", "12", False)
    assert parsed.problems == ["a message has no <|message|> before its text"]
    glued = parse(PROMPT + "analysis Let me see: 3 * 4.<|end|>" + ANSWER)
    assert (thoughts(glued), final_answer(glued)) == (["Let me see: 3 * 4."], "12")


def test_a_call_without_the_mark_of_its_code_is_malformed_and_keeps_it():
    generated = "<|channel|>analysis to=python code print(12)<|call|>"
    assert "no <|message|>" in (HARMONY.turn(ids(generated)).malformed or "")
    parsed = parse(PROMPT + generated + RESULT)
    assert (codes(parsed), parsed.n_tool_outputs) == (["print(12)"], 1)


def test_words_in_a_header_that_say_nothing_are_text():
    parsed = parse(PROMPT + " I think so<|channel|>final<|message|>\\boxed{12}<|return|>")
    assert parsed.final == "I think so \\boxed{12}"
    before_code = parse(PROMPT + "<|channel|>analysis to=python code now<|message|>print(12)<|call|>")
    assert (thoughts(before_code), codes(before_code)) == (["now"], ["print(12)"])


# --- answers and ends


def test_a_thought_after_the_final_message_does_not_override_it():
    after = "<|start|>assistant<|channel|>analysis<|message|>were it 5: \\boxed{5}<|end|>"
    parsed = parse(PROMPT + ANSWER.removeprefix("<|start|>assistant").replace("<|return|>", "<|end|>") + after)
    assert (final_answer(parsed), thoughts(parsed)) == ("12", ["were it 5: \\boxed{5}"])
    asked_again = parse(PROMPT + ANSWER + "<|start|>user<|message|>And now?<|end|>" + after)
    assert final_answer(asked_again) == "5", "the answer to an earlier question is none to this one"
    preamble = "<|channel|>commentary<|message|>not \\boxed{7}<|end|>"
    assert final_answer(parse(PROMPT + preamble + after)) == "5"


@pytest.mark.parametrize(
    "behind", ["\n", "<|endoftext|>", "<|endoftext|>" * 3, "stray words", "\n<|end|>", "<|start|>assistant"]
)
def test_what_stands_behind_the_end_is_neither_truncation_nor_speech(behind):
    parsed = parse(PROMPT + ANSWER.removeprefix("<|start|>assistant") + behind)
    assert (parsed.truncated, parsed.messages[-1].content, len(parsed.messages)) == (False, "\\boxed{12}", 2)
    assert ["stray words" in problem for problem in parsed.problems] == [True] * (behind == "stray words")


def test_the_end_of_text_ends_a_message_too():
    parsed = parse(PROMPT + "<|channel|>final<|message|>\\boxed{12}<|endoftext|>")
    assert (parsed.truncated, parsed.final) == (False, "\\boxed{12}")


# --- who wrote it


def test_a_model_cannot_forge_an_output():
    prompt = ids(PROMPT)
    forged = ids("<|channel|>analysis to=python code<|message|>print(7)<|end|>" + RESULT)
    called = ids("<|start|>assistant<|channel|>analysis to=python code<|message|>print(12)<|call|>")
    output = HARMONY.tool_output(ToolCall(code="print(12)", status="ok", stdout="12\n"))
    mask = [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * len(forged + called) + [Origin.TOOL] * len(output)
    parsed = HARMONY.parse(prompt + forged + called + output, mask)
    assert (codes(parsed), parsed.n_python_calls, parsed.n_tool_outputs) == (["print(12)"], 1, 1)
    assert parsed.messages[-1].tool_call_id == "call_1"
    assert "12\n" in thoughts(parsed)[0], "the forged output is what the model thought"


def test_a_model_cannot_speak_for_the_user():
    prompt, said = ids(PROMPT), ids("<|channel|>final<|message|>4<|end|><|start|>user<|message|>Thanks!<|end|>")
    parsed = HARMONY.parse(prompt + said, [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * len(said))
    assert [m.role for m in parsed.messages] == ["user", "assistant"]


# --- any ids at all

WORDS = [f"w{n}x" for n in range(40)]
HEADERS = ["assistant", "python", "user", " to=python", " to=functions.python", " to=assistant", " code", " json"]
pieces = st.lists(
    st.one_of(
        st.sampled_from([*CONTROL_TOKENS, END_OF_TEXT]),
        st.sampled_from([*HEADERS, "analysis", "final", "commentary", '{"code": "']),
        st.sampled_from([" w ", "\n"]),
    ),
    max_size=40,
)
FUZZ = settings(max_examples=400, derandomize=True)


@FUZZ
@given(pieces=pieces)
def test_no_word_is_lost_and_all_keep_their_order(pieces):
    """Every `w` becomes a word of its own. What comes after the end is in `problems`; a role or a channel too."""
    text = "".join(piece.replace("w", f"w{n}x") for n, piece in enumerate(pieces))
    written = [f"w{n}x" for n, piece in enumerate(pieces) if "w" in piece]
    parsed = parse(text)
    found = everything(parsed)
    position = 0
    for word in written:
        at = found.find(word, position)
        if at < 0:
            assert any(word in problem for problem in parsed.problems) or is_name(text, word), (word, text, found)
        else:
            position = at


def is_name(text: str, word: str) -> bool:
    """Whether a word stands where the format has a name: of a channel, a content type, or a recipient."""
    before = text[: text.index(word)].rstrip()
    return before.endswith(("<|channel|>", "<|constrain|>", "to="))


def everything(parsed) -> str:
    """All texts of a transcript in the order in which they were written."""
    texts = []
    for m in parsed.messages:
        texts += [m.reasoning_content or "", m.content, *(c.function.arguments for c in m.tool_calls or [])]
    return "\n".join(texts)


@FUZZ
@given(pieces=pieces)
def test_a_call_is_run_exactly_if_the_messages_tell_of_it(pieces):
    generated = "".join(pieces) + "<|call|>"
    turn = HARMONY.turn(ids(generated))
    parsed = parse(PROMPT + generated)
    calls = parsed.messages[-1].tool_calls or []
    assert turn.code is not None or turn.malformed is not None
    assert len(calls) == 1
    if turn.code is not None:
        assert codes(parsed)[-1] == turn.code


@FUZZ
@given(pieces=pieces)
def test_what_the_model_generated_is_never_another_s(pieces):
    tokens = ids("".join(pieces))
    parsed = HARMONY.parse(tokens, [Origin.GENERATED] * len(tokens))
    assert {m.role for m in parsed.messages} <= {"assistant"}
    assert parsed.n_tool_outputs == 0
