"""The registry: a dialect is found by the name that it bears, and a name that is nobody's is an error that helps."""

from __future__ import annotations

import pytest

from factory.dialects import DIALECTS, dialect, named, told_apart
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer
from factory.errors import FactoryError
from factory.records import Mode
from tests.dialects.support import FENCED_CONTROL

BY_TOKENIZER_ALONE = sorted(DIALECTS.keys() - {"chat"})  # which reads the other files of a model, too


@pytest.mark.parametrize("name", BY_TOKENIZER_ALONE)
def test_a_dialect_bears_the_name_that_it_is_registered_under(name):
    assert dialect(name, ByteTokenizer([*CONTROL_TOKENS, *FENCED_CONTROL])).name == name
    assert dialect(name, ByteTokenizer([*CONTROL_TOKENS, *FENCED_CONTROL]), "It has no network.").name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("Harmony", "did you mean 'harmony'"), ("telegraph", "choose one of harmony, fenced"), ("", "")]
)
def test_an_unknown_name_is_an_error_that_helps(name, hint):
    with pytest.raises(FactoryError, match=f"no dialect named '{name}'(.|\n)*{hint}"):
        named(name)


@pytest.mark.parametrize("name", BY_TOKENIZER_ALONE)
@pytest.mark.parametrize("text", ["", "2 + 2 = 4", "<|im_start|><|start|><|message|>```python\n"])
def test_every_dialect_reads_any_text_without_a_model(name, text):
    parsed, same = named(name).read_text(text)
    assert same
    assert parsed.messages or not text.strip()


def test_a_dialect_of_the_models_own_wants_the_models_files():
    with pytest.raises(FactoryError, match="needs the files of a model"):
        dialect("chat", ByteTokenizer(FENCED_CONTROL))
    with pytest.raises(FactoryError, match="cannot be read without the model"):
        named("chat").read_text("<|im_start|>user\n")


def test_a_recipe_whose_modes_sound_alike_is_refused():
    told_apart(dialect("harmony", ByteTokenizer(CONTROL_TOKENS)), list(Mode))
    deaf = dialect("fenced", ByteTokenizer(FENCED_CONTROL))
    deaf.prompt = lambda user, *, mode, tool, system="": [1]
    told_apart(deaf, [Mode.HIGH])
    with pytest.raises(FactoryError, match=r"cannot tell the modes high and low apart(.|\n)*sentence"):
        told_apart(deaf, [Mode.HIGH, Mode.LOW])
