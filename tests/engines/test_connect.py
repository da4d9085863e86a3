"""The model of a section is opened, or it is said what is wrong with the section."""

from __future__ import annotations

import pytest

from factory.engines import model_files
from factory.engines.connect import open_model
from factory.errors import FactoryError
from factory.recipe import Teacher


def test_a_misspelt_dialect_is_told_before_anything_is_downloaded(monkeypatch):
    monkeypatch.setattr(model_files, "tokenizer_file", lambda *where: pytest.fail("the tokenizer was asked for"))
    with pytest.raises(FactoryError, match="did you mean 'fenced'"):
        open_model(Teacher(model="some/model", dialect="fence"))
