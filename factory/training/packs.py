"""Packs: what the student trains on, written once, before any GPU is asked for.

    packs/stage-16k/part-00000.parquet    a row a pack, in the order of training, 16 rows a row group
    packs/held-out.parquet                a row a trace that is measured and never trained on
    packs/manifest.json                   written last; what it does not name is rubbish of a start that was killed

A pack has `input_ids` and `labels` (not shifted; -100 is read and not learnt), `seq_lengths` of its traces in order,
and their `uids`. No trace is cut. Order depends on the seed and the traces alone: the same inputs give the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.parts import WRITER_SETTINGS
from factory.training.plan import TrainingPlan
from factory.training.rows import HELD_OUT, StageRows, sort_out
from factory.training.stages import CHUNK, Stage, packs_per_step, steps_of
from factory.views.packing import best_fit

MANIFEST = "packs/manifest.json"
HELD_OUT_FILE = "packs/held-out.parquet"
ROW_GROUP = 16
_PART_TOKENS = 1 << 24

_INTS = pa.list_(pa.int32())
SCHEMA = pa.schema([("input_ids", _INTS), ("labels", _INTS), ("seq_lengths", _INTS), ("uids", pa.list_(pa.string()))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    key: str
    packs: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePacks:
    """One stage as it is trained. `first_step` is how many steps the stages before it take."""

    name: str
    lower: int
    edge: int
    pack: int
    context_parallel: int
    traces: int
    mixed: int
    tokens: int
    learnt: int
    packs: int
    packs_per_step: int
    first_step: int
    parts: list[Part]

    @property
    def steps(self) -> int:
        return steps_of(self.packs, self.packs_per_step)

    @property
    def last_step(self) -> int:
        return self.first_step + self.steps

    @property
    def fill(self) -> float:
        return self.tokens / (self.packs * self.pack)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacksManifest:
    """All stages; `tokenizer` is the digest of the student's, `left_out` counts traces by reason."""

    fingerprint: str
    tokenizer: str
    stages: list[StagePacks]
    held_out: int
    left_out: dict[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()

    @staticmethod
    def from_bytes(data: bytes) -> PacksManifest:
        values = json.loads(data)
        stages = [StagePacks(**s | {"parts": [Part(**p) for p in s["parts"]]}) for s in values["stages"]]
        return PacksManifest(**values | {"stages": stages})


def read(store: Store) -> PacksManifest | None:
    """The packs of a run, once they are all there."""
    try:
        return PacksManifest.from_bytes(store.read(MANIFEST))
    except FileNotFoundError:
        return None


def write(store: Store, made: TrainingPlan, tokenizer: str) -> PacksManifest:
    """Write the packs of all stages, or find that they are there. Raises `FactoryError` for another tokenizer's."""
    if (known := read(store)) is not None:
        if known.tokenizer != tokenizer:
            raise FactoryError(
                f"the packs at {store.uri} were written for another student",
                why=f"their tokenizer is {known.tokenizer}, the student's is {tokenizer}",
                remedy="give the student back that the run was started with, or another --out",
            )
        return known
    with tempfile.TemporaryDirectory(prefix="training-rows-") as folder:
        sorted_out = sort_out(made, Path(folder))
        stages, first = list[StagePacks](), 0
        for stage, rows in zip(made.stages, sorted_out.stages, strict=True):
            if not rows.traces and made.recipe.stages == "auto":  # no bucket of the student's, whatever the teacher's
                continue
            stages.append(_write_stage(store, made, stage, rows, first))
            first = stages[-1].last_step
        with store.sink(HELD_OUT_FILE) as file:
            where = pa.PythonFile(file, mode="w")
            pq.write_table(sorted_out.held_out, where, row_group_size=ROW_GROUP, compression="zstd")
    manifest = PacksManifest(
        fingerprint=made.recipe.fingerprint,
        tokenizer=tokenizer,
        stages=stages,
        held_out=sorted_out.held_out.num_rows,
        left_out=sorted_out.left_out,
    )
    store.write(MANIFEST, manifest.to_bytes())
    return manifest


def arranged(
    hashes: np.ndarray[Any, np.dtype[np.uint64]], lengths: Sequence[int], capacity: int, seed: int, *, packed: bool
) -> Iterator[list[int]]:
    """Packs of traces, as indices, in an order that `seed` and the traces' hashes settle.

    Traces are shuffled and packed some thousands at a time, then the packs of each such chunk are shuffled: packing
    sorts by length, and training must not.
    """
    order = np.lexsort((hashes, _scrambled(hashes, seed)))
    for at in range(0, len(order), CHUNK):
        chunk = order[at : at + CHUNK]
        packs = best_fit([lengths[i] for i in chunk], capacity) if packed else [[i] for i in range(len(chunk))]
        shuffled = np.argsort(_scrambled(np.array([hashes[chunk[pack[0]]] for pack in packs]), seed + 1), kind="stable")
        yield from ([int(chunk[i]) for i in packs[number]] for number in shuffled)


def by_cost(packs: Sequence[Any], costs: Sequence[float]) -> list[Any]:
    """One step's packs, dearest first: the workers of a round wait for each other, so their packs should cost alike."""
    return [packs[i] for i in sorted(range(len(packs)), key=lambda i: (-costs[i], i))]


def _write_stage(store: Store, made: TrainingPlan, stage: Stage, rows: StageRows, first_step: int) -> StagePacks:
    layout, recipe = stage.layout, made.recipe
    if not rows.traces:
        raise FactoryError(
            f"no trace has {layout.lower + 1:,} to {layout.edge:,} tokens once it is written in the student's",
            remedy=f"take the stage {layout.edge} out of stages",
        )
    count = sum(1 for _ in _order(made, stage, rows))
    traces = rows.traces * recipe.epochs
    replicas = recipe.machine.workers // layout.context_parallel
    per_step = packs_per_step(recipe.batch, traces, count, replicas)
    parts = list[Part]()
    step, tokens = list[tuple[dict[str, Any], float]](), 0
    pending, pending_tokens, learnt = list[dict[str, Any]](), 0, 0
    for number, pack in enumerate(_taken(made, stage, rows), 1):
        step.append((pack, float(sum(n * n for n in pack["seq_lengths"]))))
        if len(step) < per_step and number < count:
            continue
        pending += by_cost([p for p, _ in step], [c for _, c in step])
        pending_tokens += sum(len(p["input_ids"]) for p, _ in step)
        learnt += sum(sum(label >= 0 for label in p["labels"]) for p, _ in step)
        step.clear()
        if pending_tokens >= _PART_TOKENS or number == count:
            parts.append(_write_part(store, f"packs/{layout.name}/part-{len(parts):05d}.parquet", pending))
            tokens += pending_tokens
            pending, pending_tokens = [], 0
    return StagePacks(
        name=layout.name,
        lower=layout.lower,
        edge=layout.edge,
        pack=layout.pack,
        context_parallel=layout.context_parallel,
        traces=traces,
        mixed=rows.mixed * recipe.epochs,
        tokens=tokens,
        learnt=learnt,
        packs=count,
        packs_per_step=per_step,
        first_step=first_step,
        parts=parts,
    )


def _order(made: TrainingPlan, stage: Stage, rows: StageRows) -> Iterator[tuple[int, list[int]]]:
    """(partition, rows in it) of each pack, epoch after epoch."""
    for epoch in range(made.recipe.epochs):
        seed = 2 * (made.recipe.seed * 1009 + epoch)
        numbers = np.arange(len(rows.partitions), dtype=np.uint64)
        for number in np.argsort(_scrambled(numbers, seed), kind="stable"):
            partition = rows.partitions[number]
            packs = arranged(
                np.array(partition.hashes, np.uint64),
                partition.lengths,
                stage.layout.pack,
                seed,
                packed=stage.layout.packed,
            )
            yield from ((int(number), pack) for pack in packs)


def _taken(made: TrainingPlan, stage: Stage, rows: StageRows) -> Iterator[dict[str, Any]]:
    """The packs with their tokens; one partition is in memory at a time."""
    at, table = -1, None
    for number, pack in _order(made, stage, rows):
        if number != at:
            at, table = number, rows.partitions[number].read()
        assert table is not None
        chosen = table.take(pack)
        yield {
            "input_ids": chosen["input_ids"].combine_chunks().flatten().to_pylist(),
            "labels": chosen["labels"].combine_chunks().flatten().to_pylist(),
            "seq_lengths": [rows.partitions[number].lengths[i] for i in pack],
            "uids": chosen["uid"].to_pylist(),
        }


def _write_part(store: Store, key: str, packs: Iterable[dict[str, Any]]) -> Part:
    table = pa.Table.from_pylist(list(packs), SCHEMA)
    with store.spool(key) as spooled:
        settings = {**WRITER_SETTINGS, "use_dictionary": False}
        with pq.ParquetWriter(pa.PythonFile(spooled.file, mode="w"), SCHEMA, **settings) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)
        digest, _ = spooled.digest()
        spooled.put(key)
    return Part(key=key, packs=table.num_rows, sha256=digest)


class Packs:
    """Random access to a stage's packs by their number; past the last one it begins again, to fill the last step.

    Reads a row group at a time and keeps the last one. Pickles.
    """

    def __init__(self, store: Store, stage: StagePacks) -> None:
        self._store, self._parts, self._count = store, stage.parts, stage.packs
        self._starts = np.cumsum([0, *(part.packs for part in stage.parts)])
        self._cached: tuple[tuple[int, int], list[dict[str, Any]]] | None = None

    def __getitem__(self, number: int) -> dict[str, Any]:
        number %= self._count
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        group, row = divmod(number - int(self._starts[part]), ROW_GROUP)
        if self._cached is None or self._cached[0] != (part, group):
            file = self._store.parquet(self._parts[part].key)
            columns = ["input_ids", "labels", "seq_lengths"]
            self._cached = (part, group), file.read_row_group(group, columns=columns).to_pylist()
        return self._cached[1][row]


def held_out(store: Store) -> pa.Table:
    """The held-out traces, see `rows.HELD_OUT`."""
    return store.parquet(HELD_OUT_FILE).read(columns=HELD_OUT.names)


def _scrambled(values: np.ndarray[Any, np.dtype[np.uint64]], seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A hash of hashes that depends on `seed` (splitmix64)."""
    with np.errstate(over="ignore"):
        x = np.asarray(values, np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed + 1)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))
