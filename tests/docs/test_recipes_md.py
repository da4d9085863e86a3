"""docs/recipes.md says what the models say: the committed file is the generated one, and every key is in it."""

from __future__ import annotations

import importlib.util

import pytest

from factory.recipe import Recipe
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def generated() -> str:
    spec = importlib.util.spec_from_file_location("write_recipes", ROOT / "docs" / "write_recipes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.document() + "\n"


def test_the_committed_file_is_the_generated_one(generated):
    written = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert written == generated, "run .venv/bin/python docs/write_recipes.py"


def test_every_key_is_explained(generated):
    for key in Recipe.model_fields:
        assert f"| `{key}` |" in generated
    for key in ("max_low_pass_rate", "tensor_parallel_size", "api_key_env", "columns", "gpu_hour_price"):
        assert f"| `{key}` |" in generated


def test_operational_keys_are_marked(generated):
    row = next(line for line in generated.splitlines() if line.startswith("| `replicas` |"))
    assert "**operational**" in row
    assert "list of 2: whole number" in row
    assert "`[1, 1]`" in row
    assert "**operational**" not in next(line for line in generated.splitlines() if line.startswith("| `seed` |"))
