"""The recipe of an evaluation: what a model makes of benchmarks, of files of your own, or of the problems of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from factory.recipe.base import RunRecipe
from factory.recipe.fields import Positive
from factory.recipe.machines import SandboxSettings
from factory.recipe.models import Role, Teacher
from factory.recipe.sampling import Sampling
from factory.recipe.sources import Source
from factory.records import EVALUATE, STUDENT, Mode
from factory.settings import Strict


class BenchmarkFiles(Strict):
    """Benchmarks by their names in `factory benchmarks FOLDER`, which fetches them with their answers."""

    folder: str
    """Folder or URI that holds the files."""
    names: tuple[str, ...] = Field(min_length=1)
    """Such as `AIME 2025`."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """Digest of each file, by its name. Filled in, so that a run states what it was measured on."""


class Attempts(Strict):
    """Samples per problem and configuration."""

    modes: tuple[Mode, ...] = Field(default=(Mode.HIGH, Mode.MEDIUM, Mode.LOW), min_length=1)
    tools: tuple[bool, ...] = Field(default=(True, False), min_length=1)
    """With Python, without, or both: every mode is evaluated with each."""
    samples: Positive = 16
    sampling: Sampling = Sampling()
    seed: int = 0
    """Sample k is drawn with a seed derived from this, the problem, the mode, the tool and k."""

    @property
    def task(self) -> str:
        """What its samples are drawn for, as their keys spell it."""
        return EVALUATE

    @property
    def role(self) -> Role:
        """Whose model draws them."""
        return STUDENT

    @field_validator("modes", "tools")
    @classmethod
    def _once(cls, given: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(dict.fromkeys(given))


class Evaluate(RunRecipe):
    """An evaluation: problems with known answers in; accuracies with intervals out. Publishes no dataset."""

    kind: Literal["evaluate"] = "evaluate"
    benchmarks: BenchmarkFiles | None = None
    sources: list[Source] = Field(default_factory=list)
    """Problems with answers: tables of your own, or a run (`kind: run`), whose settled references count."""
    student: Teacher
    """The model that is measured: a hub name, a directory, a checkpoint, or an endpoint."""
    judge: Teacher | None = None
    """The model in the role of judge; required where `verify.judge` is not `never`."""
    attempts: Attempts = Attempts()
    k: tuple[Positive, ...] = ()
    """Sizes for pass@k, pass^k, maj@k and best-of-k; the number of samples where none are given."""
    sandbox: SandboxSettings = SandboxSettings()

    @model_validator(mode="after")
    def _measurable(self) -> Evaluate:
        if not self.benchmarks and not self.sources:
            raise ValueError("nothing to evaluate on: give `benchmarks` {folder, names}, or `sources`")
        if any(source.kind not in ("table", "run") or source.what != "problems" for source in self.sources):
            raise ValueError("sources are tables of problems with answers, or the problems of a run")
        if too_large := [k for k in self.k if k > self.attempts.samples]:
            raise ValueError(
                f"k={too_large[0]} needs as many samples a problem; attempts.samples is smaller: "
                f"{self.attempts.samples}"
            )
        if self.verify.judge != "never" and self.judge is None:
            raise ValueError(f"verify.judge is {self.verify.judge}, which needs a section judge")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """The k of each metric that has one, rising."""
        return tuple(sorted(set(self.k or (self.attempts.samples,))))

    @property
    def roles(self) -> Mapping[Role, Teacher]:
        judge: dict[Role, Teacher] = {"judge": self.judge} if self.judge and self.verify.judge != "never" else {}
        return {STUDENT: self.student, **judge}

    def modes(self, role: Role) -> tuple[Mode, ...]:
        return self.attempts.modes if role == STUDENT else super().modes(role)

    @property
    def python(self) -> SandboxSettings | None:
        """None where no configuration has Python: then no sandbox is started."""
        return self.sandbox if True in self.attempts.tools else None
