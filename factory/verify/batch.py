"""`factory verify`: compare the pairs of a JSON lines file, one line of results per line, in order."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.recipe import EquivalencePolicy
from factory.verify.checker import Checker

_IN_FLIGHT_PER_WORKER = 8


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
        for number, line in _lines(path):
            waiting.put_nowait(asyncio.create_task(_row(checker, f"{path}:{number}", line)))
            if waiting.qsize() >= _IN_FLIGHT_PER_WORKER * workers:
                yield json.dumps(await waiting.get_nowait(), ensure_ascii=False)
        while not waiting.empty():
            yield json.dumps(await waiting.get_nowait(), ensure_ascii=False)


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise FactoryError(
            f"cannot read {path}",
            why=error.strerror or str(error),
            remedy='give a file of JSON lines with "id", "gold" and "prediction"',
        ) from None


async def _row(checker: Checker, where: str, line: bytes) -> dict[str, Any]:
    started = time.perf_counter()
    row, problem = _parsed(line)
    result: dict[str, Any] = {
        "id": row.get("id"),
        "equal": None,
        "method": "bad_row",
        "extracted": None,
        "seconds": 0.0,
    }
    if problem:
        return {**result, "detail": f"{where}: {problem}"}
    gold, prediction = str(row["gold"]), row["prediction"]
    verdict = await checker.equal(gold, None if prediction is None else str(prediction))
    result |= {"equal": verdict.equal, "method": verdict.method, "seconds": round(time.perf_counter() - started, 6)}
    if prediction is not None:
        result["extracted"] = await checker.extracted(str(prediction))
    return result | ({"detail": verdict.detail} if verdict.detail else {})


def _parsed(line: bytes) -> tuple[dict[str, Any], str]:
    """(row, what is wrong with it)"""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON ({error})"
    if not isinstance(row, dict):
        return {}, "not a JSON object"
    missing = [key for key in ("gold", "prediction") if key not in row]
    if missing:
        return row, f"no {' and no '.join(missing)}"
    for key in ("gold", "prediction"):
        if isinstance(row[key], dict | list | bool):
            return row, f"{key} is no text"
    return row, "" if row["gold"] is not None else "gold is null"
