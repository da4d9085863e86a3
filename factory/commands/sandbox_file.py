"""`factory sandbox FILE.jsonl`: run the cells of each row in a fresh session, print what came of them."""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from factory import recipe, settings
from factory.commands import jsonl
from factory.errors import FactoryError
from factory.records import ToolCall
from factory.sandbox.local import LocalSandbox
from factory.sandbox.protocol import StateLost


def run_file(path: str, limits: str = "") -> Iterator[str]:
    """One line of JSON per line of `path`, in its order; several rows run at once. Raises `FactoryError`."""
    config = parse_limits(limits)
    rows = jsonl.read(path, _check)
    with asyncio.Runner() as runner:
        answers = _answers(rows, config)
        try:
            while (line := runner.run(_next(answers))) is not None:
                yield line
        finally:
            runner.run(answers.aclose())


def parse_limits(text: str) -> recipe.SandboxSettings:
    """`memory_mb=512,scratch_mb=8` as the recipe's section. Raises `FactoryError` for an unknown or ill-typed key."""
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise FactoryError(f"--limits: {part!r} is not KEY=VALUE", remedy="write for example memory_mb=512")
        values[key.strip()] = value.strip()
    return settings.validate(recipe.SandboxSettings, values, "--limits")


def _check(values: dict[str, Any]) -> str:
    cells, timeout_s = values.get("cells"), values.get("timeout_s")
    if not isinstance(cells, list) or not all(isinstance(cell, str) for cell in cells):
        return "`cells` must be a list of strings"
    if timeout_s is not None and not _is_duration(timeout_s):
        return "`timeout_s` must be a positive number of seconds"
    return jsonl.lacks(values, ("id",))


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


async def _next(answers: AsyncGenerator[str, None]) -> str | None:
    return await anext(answers, None)


async def _answers(rows: Iterator[jsonl.JsonRow], config: recipe.SandboxSettings) -> AsyncGenerator[str, None]:
    """Answers in the order of the rows, with a bounded number of rows under way."""
    first = next(rows, None)
    if first is None:
        return
    async with LocalSandbox(config) as sandbox:
        width = 2 * len(os.sched_getaffinity(0))
        under_way = deque([asyncio.create_task(_answer(sandbox, first))])
        try:
            while under_way:
                while len(under_way) < width and (row := next(rows, None)) is not None:
                    under_way.append(asyncio.create_task(_answer(sandbox, row)))
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)


async def _answer(sandbox: LocalSandbox, row: jsonl.JsonRow) -> str:
    if row.error:
        return json.dumps({"id": row.id, "error": row.error})
    results: list[dict[str, Any]] = []
    try:
        session = await sandbox.open(seed=0, trace=str(row.id))
        try:
            for cell in row.values["cells"]:
                results.append(_result(await session.run(cell, row.values.get("timeout_s"))))
        finally:
            await session.close()
    except StateLost as error:
        return json.dumps({"id": row.id, "results": results, "error": str(error)})
    return json.dumps({"id": row.id, "results": results})


def _result(call: ToolCall) -> dict[str, Any]:
    return {
        "status": call.status,
        "stdout": call.stdout,
        "stderr": call.stderr,
        "state_lost": call.state_lost,
        "seconds": round(call.seconds, 4),
    }
