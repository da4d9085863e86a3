"""What a model is told about its Python tool is what the recipe's sandbox gives it."""

from __future__ import annotations

import pytest

from factory import recipe, settings
from factory.dialects import dialect
from factory.dialects.tokenizer import ByteTokenizer
from factory.prompts.promise import python_tool
from factory.records import Mode
from tests.dialects.support import FENCED_CONTROL, harmony_bytes

TOKENIZERS = {"harmony": harmony_bytes(), "fenced": ByteTokenizer(FENCED_CONTROL)}


def told(name: str, sandbox: recipe.SandboxSettings) -> str:
    tokenizer = TOKENIZERS[name]
    return tokenizer.decode(dialect(name, tokenizer, python_tool(sandbox)).prompt("q", mode=Mode.LOW, tool=True))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_promise_follows_the_recipe(name: str) -> None:
    text = told(name, recipe.SandboxSettings(timeout_s=2.5, packages=("sympy", "gmpy2")))
    assert "stopped after 2.5 seconds" in text
    assert "can be imported: sympy, gmpy2, tqdm, psutil." in text


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_recipe_may_keep_to_the_words_that_its_model_was_trained_with(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    trained = tokenizer.decode(dialect(name, tokenizer).prompt("q", mode=Mode.LOW, tool=True))
    assert told(name, recipe.SandboxSettings(tool_description="trained")) == trained
    assert told(name, recipe.SandboxSettings()) != trained


@pytest.mark.parametrize("name", TOKENIZERS)
def test_nothing_is_promised_that_is_not_there(name: str) -> None:
    text = told(name, recipe.SandboxSettings())
    assert "stopped after 10 seconds" in text
    assert not any(word in text for word in ("Jupyter", "/mnt/data", "120", "UNKNOWN"))


def test_packages_that_are_always_there_are_named_once_and_in_no_fingerprint() -> None:
    assert recipe.SandboxSettings(packages=("tqdm", "numpy")).importable == ("tqdm", "numpy", "psutil")
    assert "tqdm" not in str(settings.result_values(recipe.SandboxSettings()))
