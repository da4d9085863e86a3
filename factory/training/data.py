"""Which published traces a training reads: conditions, shares, what is held out. Nothing here depends on order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory.engines.model_files import tokenizer_file
from factory.errors import FactoryError
from factory.recipe import Source
from factory.recipe.train import Train, TrainingData
from factory.sources.stored_run import pinned
from factory.store.fs import Store
from factory.store.manifest import DIRECTORY, Manifest
from factory.store.run import Run
from factory.views.split import position

_FACTS = ["uid", "problem_id", "reasoning_mode", "with_tool", "difficulty", "n_tokens"]
_TOKENS = ["token_ids", "mask", "finish_reason"]
_BATCH_ROWS = 1000


def with_digests(recipe: Train) -> Train:
    """The recipe with the version and the digest of every run that it reads, so that it says what it was made from."""
    data = []
    for given in recipe.data:
        run = pinned(Source(kind="run", path=given.path, version=given.version, digest=given.digest))
        data.append(given.model_copy(update={"version": run.version, "digest": run.digest}))
    return recipe.model_copy(update={"data": data})


def teacher_tokenizer(data: TrainingData) -> Path:
    """The tokenizer file that the ids of these traces belong to."""
    named = data.tokenizer
    if named is None:
        teacher = Run.attach(data.path).recipe.get("teacher") or {}
        named = teacher.get("model")
    try:
        if named is not None and (file := tokenizer_file(named)).is_file():
            return file
        why = f"there is no tokenizer.json at {named}" if named else "its recipe names no teacher"
    except FactoryError as error:
        why = str(error)
    raise FactoryError(
        f"the tokenizer of the traces of {data.path} is not known here",
        why=why,
        remedy="set data.0.tokenizer to a directory, URI or hub name with the teacher's tokenizer.json",
    )


def tables(data: TrainingData, *, tokens: bool = False) -> Iterator[pa.Table]:
    """Rows that meet the conditions, in the order of the published files, in bounded memory; with their tokens or
    with only what is said about them."""
    store = Store.open(data.path)
    manifest = Manifest.from_bytes(store.read(f"{DIRECTORY}v{data.version}.json"))
    for shard in manifest.shards:
        if shard.mode not in data.modes or shard.tool not in data.tools:
            continue
        file = store.parquet(shard.key, shard.bytes)
        for batch in file.iter_batches(_BATCH_ROWS, columns=_FACTS + (_TOKENS if tokens else [])):
            table = pa.Table.from_batches([batch])
            if (kept := table.filter(_meets(data, table))).num_rows:
                yield kept


def is_held_out(recipe: Train, problem_id: str) -> bool:
    """Whether a problem is kept for tests: those that a view exported with the same `hold_out` keeps, too."""
    return position(problem_id, "hold_out") < recipe.hold_out


def is_mixed(uid: str, share: float) -> bool:
    """Whether a trace is among the `share` that is drawn for the last stage."""
    return position(uid, "mix") < share


@dataclass(slots=True)
class Census:
    """Lengths of all traces that meet the conditions, in the teacher's tokens.

    `lengths[mode, tool]` is an array, in no order that matters; held-out traces are not in it.
    """

    lengths: dict[tuple[str, str], np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict)
    held_out: int = 0

    def all(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.concatenate([np.zeros(0, np.int64), *self.lengths.values()])

    def of_mode(self, mode: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.concatenate([np.zeros(0, np.int64), *(n for (m, _), n in self.lengths.items() if m == mode)])


def census(recipe: Train) -> Census:
    """Count what a training would read, from a few columns of the published files. Takes a recipe with digests."""
    found, counted = Census(), dict[tuple[str, str], list[np.ndarray[Any, Any]]]()
    for data in recipe.data:
        for table in tables(data):
            held = np.array([is_held_out(recipe, owner) for owner in table["problem_id"].to_pylist()])
            found.held_out += int(held.sum())
            modes, tools = np.array(table["reasoning_mode"].to_pylist()), np.array(table["with_tool"].to_pylist())
            lengths = table["n_tokens"].to_numpy()
            for mode in data.modes:
                for tool in data.tools:
                    chosen = (modes == mode) & (tools == (tool == "python")) & ~held
                    counted.setdefault((mode.value, tool), []).append(lengths[chosen].astype(np.int64))
    found.lengths = {cell: np.concatenate(parts) for cell, parts in sorted(counted.items())}
    if not len(found.all()):
        raise FactoryError(
            "there is nothing to train on",
            why=f"no trace of {', '.join(data.path for data in recipe.data)} meets the conditions"
            + (f", but for {found.held_out:,} that are held out" if found.held_out else ""),
            remedy="loosen modes, tools, difficulty or share under data",
        )
    return found


def _meets(data: TrainingData, table: pa.Table) -> Any:
    hardness = table["difficulty"]
    unbounded = data.min_difficulty == 0.0 and data.max_difficulty == 1.0
    within = pc.and_(
        pc.greater_equal(hardness, data.min_difficulty), pc.less_equal(hardness, data.max_difficulty)
    ).fill_null(unbounded)
    if data.share >= 1:
        return within
    shared = [position(owner) < data.share for owner in table["problem_id"].to_pylist()]
    return pc.and_(within, pa.chunked_array([shared]))
