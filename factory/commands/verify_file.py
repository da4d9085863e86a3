"""`factory verify`: compare the pairs of a JSON lines file, one line of results per line, in order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from factory.commands import jsonl
from factory.recipe import EquivalencePolicy
from factory.verify.checker import Checker

_IN_FLIGHT_PER_WORKER = 8
_REMEDY = 'give a file of JSON lines with "id", "gold" and "prediction"'


async def verify_file(
    path: str, *, workers: int, timeout_s: float, memory_mb: int = 2048, policy: EquivalencePolicy | None = None
) -> AsyncIterator[str]:
    """Yield {"id", "equal", "method", "extracted", "seconds"} as JSON for each row of `path`, in order, as they come.

    A row that cannot be read or lacks a field yields {"id", "equal": null, "method": "bad_row", ..., "detail"} with
    file and line. Raises FactoryError where the file cannot be opened.
    """
    async with Checker(workers=workers, timeout_s=timeout_s, memory_mb=memory_mb, policy=policy) as checker:
        await checker.warm_up()
        waiting: asyncio.Queue[asyncio.Task[dict[str, Any]]] = asyncio.Queue()
        for row in jsonl.read(path, _check, remedy=_REMEDY):
            waiting.put_nowait(asyncio.create_task(_answer(checker, row)))
            if waiting.qsize() >= _IN_FLIGHT_PER_WORKER * workers:
                yield json.dumps(await waiting.get_nowait(), ensure_ascii=False)
        while not waiting.empty():
            yield json.dumps(await waiting.get_nowait(), ensure_ascii=False)


async def _answer(checker: Checker, row: jsonl.JsonRow) -> dict[str, Any]:
    started = time.perf_counter()
    result: dict[str, Any] = {"id": row.id, "equal": None, "method": "bad_row", "extracted": None, "seconds": 0.0}
    if row.error:
        return {**result, "detail": row.error}
    gold, prediction = str(row.values["gold"]), row.values["prediction"]
    verdict = await checker.equal(gold, None if prediction is None else str(prediction))
    result |= {"equal": verdict.equal, "method": verdict.method, "seconds": round(time.perf_counter() - started, 6)}
    if prediction is not None:
        result["extracted"] = await checker.extracted(str(prediction))
    return result | ({"detail": verdict.detail} if verdict.detail else {})


def _check(values: dict[str, Any]) -> str:
    keys = ("gold", "prediction")
    if problem := jsonl.lacks(values, keys):
        return problem
    for key in keys:
        if isinstance(values[key], dict | list | bool):
            return f"{key} is not text"
    return "" if values["gold"] is not None else "gold is null"
