"""The recipe of a rejudge: every stored answer of a run judged again, under another policy or another judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from factory.recipe.base import RunRecipe
from factory.recipe.build import Solve
from factory.recipe.comparison import Decontaminate
from factory.recipe.machines import SandboxSettings
from factory.recipe.models import Role, Teacher
from factory.recipe.sources import Source


class Rejudge(RunRecipe):
    """Every stored answer of a run judged again: `verify` says how. Verdicts, difficulties and dataset are new, the
    traces are those of the source. Needs no engine unless `verify.judge` asks for one."""

    kind: Literal["rejudge"] = "rejudge"
    source: Source
    """The run, of `kind: run`; its path, and its version if not the newest, are all that may be given."""
    judge: Teacher | None = None
    """The model in the role of judge; required where `verify.judge` is not `never`."""
    solve: Solve | None = None
    """The rules for references and too-easy problems, and how many samples make a problem whole; those of the source
    run where they are not given."""
    teacher: Teacher | None = None
    """The model that drew the answers. Filled in, as are `sandbox` and `decontaminate`: what the source's traces were
    made with stays known."""
    sandbox: SandboxSettings | None = None
    decontaminate: Decontaminate | None = None

    @model_validator(mode="after")
    def _whole_run(self) -> Rejudge:
        if self.source.kind != "run" or self.source.where:
            raise ValueError("source is a whole run: {kind: run, path: URI}")
        if self.verify.judge != "never" and self.judge is None:
            raise ValueError(f"verify.judge is {self.verify.judge}, which needs a section judge")
        return self

    @property
    def roles(self) -> Mapping[Role, Teacher]:
        return {"judge": self.judge} if self.judge and self.verify.judge != "never" else {}
