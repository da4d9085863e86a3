"""Kinds of runs: one file a kind. The key `kind` of a recipe picks one; `build` if none is given.

With `pipeline` the only rooms that know every part.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from factory import settings
from factory.errors import FactoryError
from factory.programs.rejudge import REJUDGE
from factory.recipe import Rejudge, RunRecipe
from factory.runs.build import Build
from factory.runs.derived import DerivedRun
from factory.runs.evaluate import Evaluation
from factory.runs.imported import ImportRun
from factory.runs.kind import RunKind
from factory.store.run import Run

KINDS: dict[str, RunKind[Any]] = {
    "build": Build(),
    "rejudge": DerivedRun(Rejudge, REJUDGE),
    "import": ImportRun(),
    "evaluate": Evaluation(),
}


def load(path: str | Path, overrides: list[str] | None = None, files: list[Path] | None = None) -> RunRecipe:
    """Read a recipe file of any kind, with other files and `a.b=c` overrides laid over it.

    Relative paths in it are relative to the job's directory.
    """
    values = settings.layered(path, overrides, files)
    return settings.validate(named(values.get("kind", "build"), str(path)).recipe, values, str(path))


def of_recipe(recipe: RunRecipe) -> RunKind[Any]:
    """The kind of run that a recipe asks for."""
    return next(kind for kind in KINDS.values() if type(recipe) is kind.recipe)


def of_run(run: Run) -> RunKind[Any]:
    """The kind of a stored run."""
    return named(run.recipe.get("kind", "build"), run.uri)


def named(name: Any, origin: str) -> RunKind[Any]:
    """A kind by its name; `origin` is the file or run that names it."""
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    if name == "train":
        raise FactoryError(f"{origin} is a training, not a run", remedy="plan it: factory plan RECIPE")
    near = difflib.get_close_matches(str(name), KINDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"kinds are {', '.join(KINDS)}"
    raise FactoryError(f"{origin}: there is no kind of run {name!r}", remedy=hint)
