"""Prompts are filled in by one pass, never by str.format, and say plainly what they lack."""

from __future__ import annotations

import pytest

from factory.errors import FactoryError
from factory.prompts import loader


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_user_text_is_never_searched_for_placeholders(tmp_path):
    path = write(tmp_path, "p.yaml", "description: d\ntemplate: '{{a}} | \\boxed{} | {{ b }}'\n")
    filled = loader.prompt(path).render({"a": r"x^{{b}} {0} {a} \1 \g<0> %s", "b": "{{a}}"})
    assert filled == r"x^{{b}} {0} {a} \1 \g<0> %s | \boxed{} | {{a}}"


def test_missing_and_unknown_variables_are_named(tmp_path):
    prompt = loader.prompt(write(tmp_path, "p.yaml", "description: d\ntemplate: '{{post}} {{problem}}'\n"))
    with pytest.raises(FactoryError) as error:
        prompt.render({"post": "x", "probelm": "y"})
    assert "no value for: problem" in str(error.value)
    assert "no placeholder for: probelm" in str(error.value)


def test_examples_come_from_their_own_file_and_may_hold_double_braces(tmp_path):
    path = write(tmp_path, "p.yaml", "description: d\ntemplate: '{{t}} {{examples}}'\nexample: 'Q {{q}} A {{a}}'\n")
    write(tmp_path, "p.examples.yaml", "- {q: 'x^{{t}}', a: 1}\n- {q: two, a: 2}\n")
    assert loader.prompt(path).render({"t": "T"}) == "T Q x^{{t}} A 1\n\nQ two A 2"


def test_the_fingerprint_follows_template_and_examples_but_not_the_description(tmp_path):
    def made(folder, description, example):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "p.examples.yaml", f"- {{q: {example}}}\n")
        text = f"description: {description}\ntemplate: '{{{{examples}}}}'\nexample: '{{{{q}}}}'\n"
        return loader.prompt(write(tmp_path / folder, "p.yaml", text)).fingerprint

    assert made("a", "one", "x") == made("b", "two", "x") != made("c", "one", "y")


def test_a_prompt_may_have_several_sets_of_examples(tmp_path):
    text = "description: d\ntemplate: '{{one}} | {{two}} | {{t}}'\nexample: {one: 'Q {{q}}', two: '{{a}}: {{b}}'}\n"
    write(tmp_path, "p.examples.yaml", "one: [{q: 1}, {q: 2}]\ntwo: [{a: x, b: y}]\n")
    assert loader.prompt(write(tmp_path, "p.yaml", text)).render({"t": "T"}) == "Q 1\n\nQ 2 | x: y | T"


def test_a_preamble_is_the_constant_head_of_every_prompt_that_names_it(tmp_path):
    write(tmp_path, "head.yaml", "description: d\ntemplate: 'Head {{examples}}'\nexample: '{{a}}'\n")
    write(tmp_path, "head.examples.yaml", "- {a: 'x^{{t}}'}\n")
    text = "description: d\npreamble: head\ntemplate: 'tail {{t}}'\n"
    tail = loader.prompt(write(tmp_path, "p.yaml", text))
    assert tail.variables == {"t"}
    assert tail.render({"t": "T"}) == "Head x^{{t}}\n\ntail T"
    write(tmp_path, "other.yaml", "description: d\ntemplate: 'Other'\n")
    other = loader.prompt(write(tmp_path, "q.yaml", text.replace("head", "other")))
    assert other.fingerprint != tail.fingerprint


@pytest.mark.parametrize(
    ("head", "said"), [("template: 'for {{x}}'", "it has variables: x"), ("preamble: p\ntemplate: t", "itself")]
)
def test_a_preamble_without_variables_or_preamble(tmp_path, head, said):
    write(tmp_path, "p.yaml", "description: d\ntemplate: t\n")
    write(tmp_path, "head.yaml", f"description: d\n{head}\n")
    with pytest.raises(FactoryError, match=said):
        loader.prompt(write(tmp_path, "q.yaml", "description: d\npreamble: head\ntemplate: t\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("description: d\ntemplate: '{{examples}}'\n", "examples"),
        ("description: d\ntemplat: x\n", "did you mean 'template'"),
        ("description: ''\ntemplate: x\n", "description"),
    ],
)
def test_a_bad_prompt_file_is_one_clear_error(tmp_path, text, said):
    with pytest.raises(FactoryError, match=said):
        loader.prompt(write(tmp_path, "p.yaml", text))


def test_an_unknown_prompt_names_those_that_exist():
    with pytest.raises(FactoryError, match="solve"):
        loader.prompt("slove")


def test_every_prompt_of_the_library_loads():
    names = [p.stem for p in loader.FOLDER.glob("*.yaml") if not p.stem.endswith(".examples")]
    assert "solve" in names
    for name in names:
        prompt = loader.prompt(name)
        text = prompt.render(dict.fromkeys(prompt.variables, "VALUE"))
        assert "{{" not in text
