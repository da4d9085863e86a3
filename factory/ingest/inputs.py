"""The manifest of a finished ingest: which parts there are, how many rows, and which of them are duplicates."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from factory.arrow import from_table
from factory.records import Reject
from factory.store.fs import Store
from factory.store.tables import REJECT_COLUMNS, encode_rows, read_table

MANIFEST = "inputs/manifest.json"
DUPLICATES = "inputs/Reject/duplicates.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Counts of a finished ingest: `rows` read = `problems` + `threads` + `samples` + the sum of `rejects`."""

    rows: int
    problems: int
    threads: int
    samples: int = 0
    rejects: dict[str, int]
    parts: list[str]
    duplicates: dict[str, list[int]]  # part -> positions of its rows that repeat an earlier one

    @property
    def kept(self) -> int:
        """Rows that continue."""
        return self.problems + self.threads + self.samples

    def parts_of(self, kind: type) -> list[str]:
        """Keys of the parts with rows of one kind."""
        return [key for key in self.parts if key.startswith(f"inputs/{kind.__name__}/")]


def load(store: Store) -> Inputs | None:
    """The inputs of a run, or None if its ingest has not finished."""
    return Inputs(**json.loads(store.read(MANIFEST))) if store.exists(MANIFEST) else None


def save(store: Store, inputs: Inputs) -> Inputs:
    """Make the inputs of a run final. Returns those of another driver if one was faster."""
    store.create(MANIFEST, json.dumps(dataclasses.asdict(inputs), indent=1).encode())
    final = load(store)
    assert final is not None
    return final


def read_part(store: Store, inputs: Inputs, key: str) -> pa.Table:
    """The rows of one part without the duplicates."""
    table = read_table(store, key)
    mask = np.ones(table.num_rows, dtype=bool)
    mask[inputs.duplicates.get(key, [])] = False
    return table.filter(pa.array(mask))


def publish_rejects(store: Store, inputs: Inputs) -> None:
    """Write the rows that never became inputs next to the rejects of later stages, as `rejects/read-*.parquet`."""
    for key in inputs.parts_of(Reject) + ([DUPLICATES] if inputs.duplicates else []):
        rejects = from_table(Reject, read_table(store, key))
        store.write(f"rejects/read-{key.rsplit('/', 1)[1]}", encode_rows(Reject, rejects, REJECT_COLUMNS))
