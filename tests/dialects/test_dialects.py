"""The registry: a dialect is found by the name that it bears, and a name that is nobody's is an error that helps."""

from __future__ import annotations

import pytest

from factory.dialects import DIALECTS, dialect, named
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer
from factory.errors import FactoryError
from tests.dialects.support import FENCED_CONTROL


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_bears_the_name_that_it_is_registered_under(name):
    assert dialect(name, ByteTokenizer([*CONTROL_TOKENS, *FENCED_CONTROL])).name == name
    assert dialect(name, ByteTokenizer([*CONTROL_TOKENS, *FENCED_CONTROL]), "It has no network.").name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("Harmony", "did you mean 'harmony'"), ("telegraph", "choose one of harmony, fenced"), ("", "")]
)
def test_an_unknown_name_is_an_error_that_helps(name, hint):
    with pytest.raises(FactoryError, match=f"no dialect named '{name}'(.|\n)*{hint}"):
        named(name)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("text", ["", "2 + 2 = 4", "<|im_start|><|start|><|message|>```python\n"])
def test_every_dialect_reads_any_text_without_a_model(name, text):
    parsed, same = named(name).read_text(text)
    assert same
    assert parsed.messages or not text.strip()
