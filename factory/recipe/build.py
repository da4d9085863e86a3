"""The recipe of a build: threads and problems in, a dataset of verified traces out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory import settings
from factory.recipe.base import RunRecipe
from factory.recipe.comparison import Decontaminate, NearDuplicates
from factory.recipe.fields import Fraction, Positive
from factory.recipe.machines import SandboxSettings
from factory.recipe.models import Role, Teacher
from factory.recipe.sampling import Sampling
from factory.recipe.sources import Source
from factory.records import SOLVE, TEACHER, Mode
from factory.settings import Strict, added, operational


class Curate(Strict):
    """How problems are taken out of threads."""

    convert_proofs: bool = False
    """Reword a problem that asks for a proof into one with a result; otherwise it is rejected. (Nemotron-Math left the
    conversions of its predecessor out, as their quality was low: section 1.1 of its facts.)"""
    max_discussion_tokens: Positive = 24_000
    """Replies are shown to the curator until the next one would exceed this. A token is taken for three bytes."""
    actors: tuple[Positive, Positive] = operational((1, 4))
    """Minimum and maximum curating workers (CPU actors)."""
    threads_in_flight: Positive = operational(64)
    """Per worker."""


class Solve(Strict):
    """Samples per problem and what is made of them."""

    modes: tuple[Mode, ...] = (Mode.HIGH, Mode.MEDIUM, Mode.LOW)
    samples: Positive = 8
    """Per mode, with Python and again without."""
    sampling: Sampling = Sampling()
    seed: int = 0
    """Sample k is drawn with a seed derived from this, the problem, the mode, the tool and k."""
    order: Literal["paper", "cheap_first"] = "paper"
    max_low_pass_rate: Fraction = 0.8
    """A problem that low mode passes at this rate or above is too easy (facts of the paper: section 2.2)."""

    @property
    def tools(self) -> tuple[bool, ...]:
        """Samples are drawn with Python, and again without."""
        return True, False

    @property
    def task(self) -> str:
        """What its samples are drawn for, as their keys spell it."""
        return SOLVE

    @property
    def role(self) -> Role:
        """Whose model draws them."""
        return TEACHER

    min_vote_share: Fraction = added(0.0)
    """The winning answer settles a reference only with at least this share of the votes. Below it a forum's answer
    stays, and a problem without one is rejected as `weak_vote`. 0 is the paper."""


class Recipe(RunRecipe):
    """A build: threads and problems in, a dataset of verified traces out."""

    kind: Literal["build"] = added("build")
    sources: list[Source] = Field(min_length=1)
    curate: Curate = Curate()
    near_duplicates: NearDuplicates = NearDuplicates()
    decontaminate: Decontaminate = Decontaminate()
    teacher: Teacher
    curator: Teacher | None = None
    """The teacher serves this role if none is given."""
    judge: Teacher | None = None
    solve: Solve = Solve()
    sandbox: SandboxSettings = SandboxSettings()

    @field_validator("sources")
    @classmethod
    def _problems_and_threads(cls, sources: list[Source]) -> list[Source]:
        if any(source.kind == "run" and source.what == "traces" for source in sources):
            raise ValueError(
                "a dataset is built from problems and threads: take `what: problems` of a run, or `rejects`"
            )
        return sources

    @property
    def curates(self) -> bool:
        """Whether there are threads to take problems out of."""
        return any(
            source.kind in ("stackexchange", "aops") or (source.kind == "run" and source.what == "rejects")
            for source in self.sources
        )

    @property
    def roles(self) -> dict[Role, Teacher]:
        """The teacher plays the roles that the recipe leaves open."""
        needed: dict[Role, Teacher] = {"teacher": self.teacher}
        if self.curates:
            needed["curator"] = self.curator or self.teacher
        if self.verify.judge != "never" or self.decontaminate.judge != "never":
            needed["judge"] = self.judge or self.teacher
        return needed

    def modes(self, role: Role) -> tuple[Mode, ...]:
        return self.solve.modes if role == "teacher" else super().modes(role)

    @property
    def python(self) -> SandboxSettings:
        return self.sandbox


def load(path: str | Path, overrides: list[str] | None = None, files: list[Path] | None = None) -> Recipe:
    """Read a recipe file, with other files and `a.b=c` overrides laid over it.

    Relative paths in it are kept as they are: they are relative to the job's directory.
    """
    return settings.load(Recipe, path, overrides, files)
