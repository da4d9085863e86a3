"""The recipe of an import: a released dataset of solutions read back as the rows of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from factory.recipe.base import RunRecipe
from factory.recipe.build import Solve
from factory.recipe.machines import SandboxSettings
from factory.recipe.models import Teacher
from factory.recipe.sources import Columns, Source
from factory.records import Mode


class Import(RunRecipe):
    """Solutions that others published, as a run: its journal, dataset and views are like any other's. Nothing is drawn,
    and nothing is judged again: a row counts as right because its release says so."""

    kind: Literal["import"] = "import"
    source: Source
    """The files: `path` is a file, a directory (a hub snapshot), a glob, a URI or a hub name; Parquet or JSON lines.
    `split`, `license` and `max_row_mb` may be given besides, and `limit`, which reads the first rows of the first part
    alone."""
    layout: Literal["nemotron_math", "open_math_reasoning"] = "nemotron_math"
    """Whose columns the rows have: Nemotron-Math-v2 (and what this library publishes), or OpenMathReasoning."""
    teacher: Teacher
    """`model` is a directory or hub name whose tokenizer writes the messages, `dialect` the chat format. No engine is
    started."""
    written_by: str = "openai/gpt-oss-120b"
    """The model that wrote the solutions, where a row does not name it."""
    mode: Mode | None = None
    """Reasoning mode of rows that tell none, by a column or by the name of their file; rows without any are rejected.
    OpenMathReasoning has none."""
    solve: Solve = Solve()
    sandbox: SandboxSettings = SandboxSettings()

    @model_validator(mode="after")
    def _table(self) -> Import:
        if self.source.kind != "table":
            raise ValueError("source is a table: {path: FOLDER}")
        if self.layout == "open_math_reasoning" and self.mode is None:
            raise ValueError("rows of open_math_reasoning tell no reasoning mode: give `mode`")
        return self

    @property
    def rows(self) -> Source:
        """The source with the columns of the layout."""
        columns = Columns(id=None, answer="expected_answer", source=None, url=None, user_name=None, user_url=None)
        return self.source.model_copy(update={"columns": columns})
