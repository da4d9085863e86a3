"""Models whose format is found by their own template: a family of the library's, the template itself, or none."""

from __future__ import annotations

import json
import logging

import pytest
from transformers import AutoTokenizer

from factory.dialects.chat import Chat
from factory.dialects.tokenizer import HfTokenizer
from factory.errors import FactoryError
from factory.recipe import ChatSettings
from factory.records import Mode, Origin, ToolCall
from tests import smollm2
from tests.dialects.families import ModelTokenizer, control_of

CHATML = """{%- if tools %}{{ '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}
{{- 'Tools:' }}{% for tool in tools %}{{ '\\n' + tool | tojson }}{% endfor %}{{ '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}
{%- for m in messages if m.role != 'system' %}
{%- if m.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}
{%- elif m.tool_calls %}{{ '<|im_start|>assistant\\n' + m.content }}
{%- for c in m.tool_calls %}{{ '<tool_call>\\n{"name": "' + c.function.name + '", "arguments": '
+ c.function.arguments | tojson + '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

PLAIN = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def model(directory, template, **config):
    config = {"eos_token": "<|im_end|>", "bos_token": {"content": "<s>"}, **config}
    if template is not None:
        config["chat_template"] = template
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return ModelTokenizer(directory, list(control_of("qwen3")))


def as_template(family, directory):
    """A template that writes what a family's renderer writes for the conversations that formats are compared on."""
    from factory.dialects.chat_families import FAMILIES
    from factory.dialects.chat_files import ChatFiles
    from factory.dialects.chat_format import _CONVERSATIONS
    from factory.dialects.chat_tokenizer import ChatTokenizer

    tokenizer = ModelTokenizer(directory, list(control_of(family)))
    renderer = FAMILIES[family].renderer(ChatTokenizer(tokenizer, ChatFiles("")), {})
    cases = []
    for messages, tools in _CONVERSATIONS:
        text = tokenizer.decode(renderer.render_ids(messages, tools=tools, add_generation_prompt=True))
        cases.append(
            f"(messages | length) == {len(messages)} and messages[0].role == '{messages[0]['role']}' "
            f"and (tools is {'not ' if tools else ''}none) %}}{{% raw %}}{text}{{% endraw %}}"
        )
    return "{% if " + "{% elif ".join(cases) + "{% endif %}"


@pytest.mark.parametrize("family", ["qwen3", "glm-5", "kimi-k2", "llama-3", "minimax-m2"])
def test_a_family_is_found_by_the_models_template(family, tmp_path):
    template = as_template(family, tmp_path)
    (tmp_path / "chat_template.jinja").write_text(template)
    assert Chat(ModelTokenizer(tmp_path, list(control_of(family)))).format.family == family


def test_a_template_that_no_family_writes_is_used_itself_and_that_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        chat = Chat(model(tmp_path, CHATML))
    assert chat.format.family == "template"
    assert "no family with exactly these prompts; the model's own template is used, its calls" in caplog.text
    prompt = chat.prompt("What is <|im_end|>?", mode=None, tool=True)
    said = chat.chat_tokenizer.encode(
        '<think>Run it.</think>Let me see.\n<tool_call>\n{"name": "python", "arguments": {"code": "print(4)"}}\n'
        "</tool_call><|im_end|>"
    )
    turn = chat.turn(said, opening=prompt)
    assert turn.code == "print(4)"
    output = chat.tool_output(ToolCall(code="print(4)", status="ok", stdout="<|im_end|>4"), turn=turn)
    assert chat.tokenizer.decode(output) == (
        "\n<|im_start|>user\n<tool_response>\n<|im_end|>4\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    assert output.count(chat.stop_token_ids[0]) == 1
    end = chat.chat_tokenizer.encode("\\boxed{4}<|im_end|>")
    ids = [*prompt, *said, *output, *end]
    mask = [0] * len(prompt) + [1] * len(said) + [2] * len(output) + [1] * len(end)
    user, asked, answer, last = chat.parse(ids, mask).messages
    assert (user.content, answer.content, last.content) == ("What is <|im_end|>?", "<|im_end|>4", "\\boxed{4}")
    assert (asked.reasoning_content, asked.content) == ("Run it.", "Let me see.")


def test_a_family_that_is_named_and_writes_something_else_is_refused(tmp_path):
    with pytest.raises(FactoryError, match=r"does not write its prompts as the family qwen3(.|\n)*a tool"):
        Chat(model(tmp_path, CHATML), settings=ChatSettings(family="qwen3"))


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, r"has no chat template(.|\n)*name its family"),
        ("{{ raise_exception('only for cats') }}", r"raises an error for a plain question(.|\n)*only for cats"),
        ("{{ messages[0]['content'] + }}", "raises an error for a plain question"),
    ],
)
def test_a_model_without_a_usable_template_is_refused_with_the_way_out(template, words, tmp_path):
    with pytest.raises(FactoryError, match=words):
        Chat(model(tmp_path, template))


def test_a_template_that_takes_no_system_message_has_it_in_the_users(tmp_path):
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + PLAIN
    chat = Chat(model(tmp_path, refusing))
    prompt = chat.tokenizer.decode(chat.prompt("2 + 2?", mode=None, tool=False, system="Be brief."))
    assert prompt == "<|im_start|>user\nBe brief.\n\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"


def test_switches_of_a_template_are_found(tmp_path):
    chat = Chat(
        model(tmp_path, PLAIN + "{% if enable_thinking is defined and not enable_thinking %}</think>{% endif %}")
    )
    assert list(chat.efforts) == [Mode.LOW, Mode.HIGH]
    assert Chat(model(tmp_path, PLAIN)).efforts == {}


def test_damaged_files_are_told(tmp_path):
    tokenizer = model(tmp_path, PLAIN)
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(FactoryError, match=r"tokenizer_config\.json cannot be read"):
        Chat(tokenizer)


def first_time_minutes(test):
    """The model is converted when it is first asked for."""
    return pytest.mark.long(pytest.mark.timeout(900)(test))


@pytest.fixture(scope="module")
def real():
    directory = smollm2.directory()
    return Chat(HfTokenizer(directory)), AutoTokenizer.from_pretrained(directory)


@first_time_minutes
def test_prompts_of_a_real_model_are_those_of_its_own_tokenizer(real):
    chat, own = real
    for user in ("What is 2 + 2?", "  Let  $x$\n\n= ½.\n", "数 🙂 é", ""):
        for system in ("", "Be brief.\n"):
            messages = [{"role": "system", "content": system}] if system else []
            messages.append({"role": "user", "content": user})
            expected = own.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            assert chat.prompt(user, mode=None, tool=False, system=system) == expected
            parsed = chat.parse(expected, [Origin.PROMPT] * len(expected))
            assert parsed.messages[-1].content == user
    assert own.eos_token_id in chat.stop_token_ids


@first_time_minutes
def test_a_real_model_without_tools_calls_between_fences(real):
    chat, own = real
    assert chat.tools is None
    prompt = chat.prompt("2 + 2? <|im_end|>", mode=Mode.LOW, tool=True)
    assert prompt.count(own.eos_token_id) == 2
    said = chat.tokenizer.encode("```python\nprint(4)\n```\n")
    assert chat.turn(said, opening=prompt).code.strip() == "print(4)"
