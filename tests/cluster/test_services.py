"""What is wrong with a recipe's models is found before any machine is started."""

from __future__ import annotations

import pytest

from factory.cluster import services
from factory.errors import FactoryError
from factory.recipe import Recipe

SECTIONS = {"name": "t", "sources": [{"path": "x", "kind": "aops"}], "verify": {"judge": "undecided"}}


@pytest.mark.parametrize("role", ["teacher", "curator", "judge"])
@pytest.mark.parametrize("engine", [{}, {"kind": "endpoint", "url": "http://localhost:1"}])
def test_a_misspelt_dialect_is_found_in_every_role(role, engine):
    roles = {"teacher": {"model": "m"}, role: {"model": "n", "dialect": "harmoni", "engine": engine}}
    with pytest.raises(FactoryError, match="did you mean 'harmony'"):
        services.check(Recipe.model_validate({**SECTIONS, **roles}))
