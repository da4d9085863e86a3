"""What every kind of recipe has, so that one frame starts, resumes and watches a run of any kind."""

from __future__ import annotations

from collections.abc import Mapping

from factory import settings
from factory.recipe.answers import Verify
from factory.recipe.machines import Prices, Programs, SandboxSettings
from factory.recipe.models import Role, Teacher
from factory.recipe.storage import JournalSettings, Publish
from factory.records import Mode
from factory.settings import Strict, operational


class AnyRecipe(Strict):
    """Whatever is started, goes on and is watched under one URI: a run, or a training."""

    name: str

    @property
    def fingerprint(self) -> str:
        return settings.fingerprint(self)


class RunRecipe(AnyRecipe):
    """A whole run. A kind of recipe adds its own sections and a key `kind` that names it."""

    verify: Verify = Verify()
    programs: Programs = Programs()
    journal: JournalSettings = JournalSettings()
    publish: Publish = Publish()
    prices: Prices = operational(Prices())

    @property
    def roles(self) -> Mapping[Role, Teacher]:
        """The roles that the run needs, each with its model."""
        return {}

    def modes(self, role: Role) -> tuple[Mode, ...]:
        """The modes in which the model of a role is asked."""
        return (self.roles[role].ask_mode,)

    @property
    def python(self) -> SandboxSettings | None:
        """The sessions in which the run's models run Python; None if they run none."""
        return None
