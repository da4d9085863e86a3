"""Every comparison on the page of conventions comes out as the page says."""

from __future__ import annotations

import re

import pytest
import yaml

from factory.recipe import EquivalencePolicy
from factory.settings import validate
from factory.verify import equivalent
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (?:`(.+?)` )?\| (equal|unequal) \|$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize(("reference", "prediction", "policy", "verdict"), ROWS)
def test_a_comparison_comes_out_as_written(reference, prediction, policy, verdict):
    chosen = validate(EquivalencePolicy, yaml.safe_load("{" + policy + "}"), "the page")
    assert equivalent(reference, prediction, chosen).equal is (verdict == "equal")


def test_every_convention_has_an_example():
    named = {key for _, _, policy, _ in ROWS for key in yaml.safe_load("{" + policy + "}")}
    by_default_alone = {"decimal_comma", "equation_chain", "list_as_tuple", "boxes"}
    assert named | by_default_alone == set(EquivalencePolicy.model_fields)
