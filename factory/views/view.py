"""What a view is: options, the columns of its tables, and a generator from problems to rows.

A view knows nothing of storage, partitions, splits and restarts; `views/export.py` does. It is a pure function: equal
problems and options give equal rows in equal order. It is called for one split of one partition at a time, so what it
holds is bounded, and nothing that it makes joins two splits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pyarrow as pa
from pydantic import Field

from factory.settings import Strict
from factory.views.funnel import Funnel, Unit
from factory.views.problem import SolvedProblem
from factory.views.split import Split


class Options(Strict):
    """What every view may be told by --set. An option's docstring is its help."""

    fraction: float = Field(1.0, gt=0, le=1)
    """Share of training problems to take, by a hash of the id: those of a smaller share are among those of a larger."""
    hold_out: float = Field(0.0, ge=0, lt=1)
    """Share of problems that go to the split `test` instead, the same ones in every view."""
    split: Split | None = None
    """Write this split alone."""


O_contra = TypeVar("O_contra", bound=Options, contravariant=True)


@dataclass(frozen=True, slots=True)
class Table:
    """One of a view's tables: its columns, and how its files are written ("parquet", or "jsonl" for readers of it)."""

    schema: pa.Schema
    suffix: str = ".parquet"
    """Of its files' names: ".jsonl" are JSON lines, all else is Parquet."""
    split: bool = True
    """Whether it belongs to the data, with files for each split; reports beside the data do not."""
    repetitive: Sequence[str] = field(default=())
    """Columns whose values repeat from row to row; a dictionary only costs time on the others."""


class Row(NamedTuple):
    """A row of one of the tables. Values are as pyarrow takes them for its schema, numpy arrays for lists."""

    table: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a view may know of the run besides its rows."""

    uri: str
    recipe: Mapping[str, Any]


class View(ABC, Generic[O_contra]):
    """A view. Its docstring's first line is what `factory export --list` says of it."""

    name: ClassVar[str]
    unit: ClassVar[Unit] = "traces"
    """What its funnel counts: traces, or problems with a verdict."""
    options: ClassVar[type[Any]]

    def reads(self, options: O_contra) -> Sequence[str]:
        """Columns of traces that it needs besides `problem.ABOUT`: `problem.TOKENS`, `problem.MESSAGES`."""
        return ()

    @abstractmethod
    def tables(self, options: O_contra, inputs: Inputs) -> Mapping[str, Table]:
        """Its tables by name. Raises `FactoryError` for options that cannot be met, before anything is written."""

    @abstractmethod
    def rows(
        self, problems: Iterable[SolvedProblem], options: O_contra, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        """The rows of these problems. Each trace (or problem, as `unit` says) is counted once, by `funnel.use` or
        `funnel.leave`; the frame has counted it as read, and counts the rows.
        """

    def documents(self, options: O_contra, inputs: Inputs, funnel: Funnel) -> dict[str, bytes]:
        """Small files to store beside the data, by name."""
        return {}

    def says(self, options: O_contra, funnel: Funnel) -> list[str]:
        """Lines for the card: what the numbers of this view mean."""
        return []
