"""What is wrong with a recipe's models is found before any machine is started."""

from __future__ import annotations

import shutil

import pytest

from factory.cluster import services
from factory.errors import FactoryError
from factory.recipe import Evaluate, Recipe
from tests.conftest import ROOT

SECTIONS = {"name": "t", "sources": [{"path": "x", "kind": "aops"}], "verify": {"judge": "undecided"}}


@pytest.mark.parametrize("role", ["teacher", "curator", "judge"])
@pytest.mark.parametrize("engine", [{}, {"kind": "endpoint", "url": "http://localhost:1"}])
def test_a_misspelt_dialect_is_found_in_every_role(role, engine):
    roles = {"teacher": {"model": "m"}, role: {"model": "n", "dialect": "harmoni", "engine": engine}}
    with pytest.raises(FactoryError, match="did you mean 'harmony'"):
        services.check(Recipe.model_validate({**SECTIONS, **roles}))


TEMPLATE = """{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}\
{% if add_generation_prompt %}<|start|>assistant{% endif %}"""


@pytest.fixture
def model_without_modes(tmp_path):
    """A directory whose chat template knows no effort."""
    directory = shutil.copytree(ROOT / "jobs" / "demo" / "teacher", tmp_path / "model")
    (directory / "chat_template.jinja").write_text(TEMPLATE)
    return {"model": str(directory), "dialect": "chat"}


def test_modes_that_a_model_is_not_told_apart_are_refused_by_builds_and_evaluations(model_without_modes):
    build = Recipe.model_validate({**SECTIONS, "teacher": model_without_modes})
    evaluation = {"kind": "evaluate", "name": "t", "sources": [{"path": "x"}], "student": model_without_modes}
    for recipe in (build, Evaluate.model_validate(evaluation)):
        with pytest.raises(FactoryError, match="cannot tell the modes"):
            services.check(recipe)
    services.check(Evaluate.model_validate(evaluation | {"attempts": {"modes": ["high"]}}))
