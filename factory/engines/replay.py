"""`factory trace replay`: say again what a stored trace says, and see whether it is the same.

Each stretch that the model wrote is asked for again after exactly the tokens that stood before it, tool output
included; so no Python runs, and a difference in one stretch does not spread to the next. At temperature 0 an equal
model on an equal engine gives equal tokens (float32; in bfloat16 the size of a batch can tip a near tie).
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from factory import recipe
from factory.engines.connect import open_engine
from factory.engines.protocol import Engine, SamplingParams
from factory.errors import FactoryError
from factory.records import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The part of a stored trace that a replay needs, from a journal, a published shard or JSON lines."""

    uid: str
    token_ids: list[int]
    mask: list[int]
    temperature: float
    model: str
    model_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it. `first_difference` is an index into the trace's tokens, None where all are equal."""

    uid: str
    identical: bool
    n_generated_tokens: int
    n_equal_tokens: int
    first_difference: int | None
    same_model: bool
    recorded_temperature: float
    engine: str


async def replay(trace: Recorded, engine: Engine) -> Replay:
    """Regenerate every stretch of `trace` at temperature 0, all at once."""
    identity = await engine.identity()
    stretches = list(_stretches(trace.mask))
    again = await asyncio.gather(*(_say(engine, trace.token_ids[:start], end - start) for start, end in stretches))
    differences = [
        start + _common(trace.token_ids[start:end], tokens)
        for (start, end), tokens in zip(stretches, again, strict=True)
        if tokens != trace.token_ids[start:end]
    ]
    equal = sum(
        old == new
        for (start, end), tokens in zip(stretches, again, strict=True)
        for old, new in zip(trace.token_ids[start:end], tokens, strict=False)
    )
    return Replay(
        uid=trace.uid,
        identical=not differences,
        n_generated_tokens=sum(end - start for start, end in stretches),
        n_equal_tokens=equal,
        first_difference=min(differences, default=None),
        same_model=identity.revision == trace.model_revision,
        recorded_temperature=trace.temperature,
        engine=identity.engine,
    )


async def replay_file(path: str, uid: str | None, limit: int, teacher: recipe.Teacher | None) -> AsyncIterator[str]:
    """One line of JSON per trace of `path`; the model is the recipe's teacher, or the one that the trace names."""
    engine: Engine | None = None
    try:
        for trace in itertools.islice(read(path, uid), limit):
            if engine is None:
                engine = open_engine(teacher or recipe.Teacher(model=trace.model))
            yield json.dumps(asdict(await replay(trace, engine)))
    finally:
        if engine is not None:
            await engine.close()


def read(path: str, uid: str | None = None) -> Iterator[Recorded]:
    """Traces of a Parquet file (journal or published) or of JSON lines, all of them or the one with `uid`.

    Raises `FactoryError` for what is not a file of traces, naming the line, and for a uid that is not there.
    """
    found = False
    rows = _parquet_rows(path) if path.endswith(".parquet") else _json_rows(path)
    for where, row in rows:
        if uid is None or row.get("uid") == uid:
            found = True
            yield _recorded(row, where)
    if uid is not None and not found:
        raise FactoryError(f"{path} holds no trace with the uid {uid}", remedy="look its uid up in the dataset")


def _recorded(row: dict[str, object], where: str) -> Recorded:
    try:
        trace = Recorded(**{name: row[name] for name in Recorded.__dataclass_fields__})  # type: ignore[arg-type]
    except KeyError as error:
        raise FactoryError(f"{where} is not a trace", why=f"it has no {error.args[0]}") from None
    if not isinstance(trace.token_ids, list) or len(trace.token_ids) != len(trace.mask):
        raise FactoryError(f"{where} is not a trace", why="token_ids and mask differ in length")
    return trace


def _parquet_rows(path: str) -> Iterator[tuple[str, dict[str, object]]]:
    wanted = set(Recorded.__dataclass_fields__)
    try:
        file = pq.ParquetFile(path)
        columns = [name for name in file.schema_arrow.names if name in wanted]
        for batch in file.iter_batches(batch_size=64, columns=columns):
            yield from ((path, row) for row in batch.to_pylist())
    except (OSError, ValueError) as error:
        raise FactoryError(f"cannot read {path}", why=str(error).splitlines()[0], remedy="check the path") from None


def _json_rows(path: str) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise FactoryError(f"cannot read {path}", why=str(error), remedy="check the path") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise FactoryError(f"{path}:{number} is not JSON", why=str(error)) from None
        if not isinstance(row, dict):
            raise FactoryError(f"{path}:{number} is not a trace", why="it is no JSON object")
        yield f"{path}:{number}", row


def _stretches(mask: list[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of generated tokens."""
    position = 0
    for origin, group in itertools.groupby(mask):
        end = position + len(list(group))
        if origin == Origin.GENERATED:
            yield position, end
        position = end


async def _say(engine: Engine, prompt: list[int], n_tokens: int) -> list[int]:
    sampling = SamplingParams(max_tokens=n_tokens, temperature=0.0)
    async with aclosing(engine.generate(prompt, sampling)) as chunks:
        return [token async for chunk in chunks for token in chunk.token_ids]


def _common(old: list[int], new: list[int]) -> int:
    """Length of the common beginning."""
    return next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
