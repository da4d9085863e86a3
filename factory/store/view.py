"""What publishing is told of the rows that it publishes: their columns, and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import pyarrow as pa

from factory.records import Annotation, Judgement, Verdict


class View(Protocol):
    """The form of a published row. A pure function of journaled rows: equal rows give equal tables. Pickles."""

    @property
    def identity(self) -> str:
        """What tells its versions from another view's of the same journal; empty for the first view there was."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns of every published file."""
        ...

    @property
    def repetitive(self) -> Sequence[str]:
        """Columns whose values repeat from row to row; a dictionary only costs time on the others."""
        ...

    def extended(self, annotations: Sequence[str], *, keyed: bool, row_version: int) -> Self:
        """This view with a column for each annotation of these names; `keyed` asks for task and teacher of a sample,
        `row_version` for the columns of that version of the row (`store.run.ROW_VERSION`)."""
        ...

    def rows(
        self,
        traces: pa.Table,
        verdicts: Sequence[Verdict],
        judged: Sequence[Judgement],
        annotations: Sequence[dict[str, Annotation]],
        fingerprint: str,
    ) -> pa.Table:
        """Published rows for a table of traces, with each row's verdict, judgement and annotations by name.

        `fingerprint` is the recipe's. All lengths are equal, and the rows stay in their order.
        """
        ...
