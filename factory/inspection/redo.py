"""Do a published row's work again: extract and compare its answer, run its tool cells."""

from __future__ import annotations

from typing import Any

from factory import recipe
from factory.records import SampleKey, ToolCall
from factory.sandbox.local import LocalSandbox
from factory.sandbox.protocol import StateLost
from factory.verify import Checker, extract_answer


async def redo_answers(verify: dict[str, Any], rows: list[dict[str, Any]]) -> list[tuple[str, bool | None, bool]]:
    """(key, equal, in conversation) of each row that a rule decided; a judge's verdicts are not repeated.

    `equal` is None if the checker is undecided now; the last tells whether the conversation's box holds the answer.
    """
    settings = recipe.Verify.model_validate(verify)
    results: list[tuple[str, bool | None, bool]] = []
    checker = Checker(timeout_s=settings.timeout_s, memory_mb=settings.memory_mb, policy=settings.policy)
    async with checker:
        for row in rows:
            if row["judge"] is None:
                verdict = await checker.equal(row["expected_answer"], row["predicted_answer"])
                again = await checker.equal(row["predicted_answer"], _answer(row))
                results.append((name_of(row), verdict.equal, again.equal is not False))
    return results


async def redo_cells(sandbox: dict[str, Any], rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(key, difference) of each row; an empty difference where every cell came out as it is recorded.

    Raises `FactoryError` if this machine cannot isolate the code as the run's recipe asks.
    """
    if not rows:
        return []
    async with LocalSandbox(recipe.SandboxSettings.model_validate(sandbox)) as place:
        return [(name_of(row), await _redo(place, row)) for row in rows]


async def _redo(place: LocalSandbox, row: dict[str, Any]) -> str:
    session = await place.open(seed=row["seed"], trace=name_of(row))
    try:
        for number, record in enumerate(row["tool_call_records"]):
            before = ToolCall(**record)
            if before.status == "malformed":
                continue
            if before.state_lost or before.status not in ("ok", "error"):
                return ""  # what follows depends on how long things took then
            after = await session.run(before.code)
            if (after.status, after.stdout) != (before.status, before.stdout):
                return (
                    f"cell {number} was {before.status} {before.stdout!r:.60}, is {after.status} {after.stdout!r:.60}"
                )
        return ""
    except StateLost as error:
        return f"the session was lost ({error})"
    finally:
        await session.close()


def key_of(row: dict[str, Any]) -> SampleKey:
    """The sample key of a published row."""
    return SampleKey.of(row | {"mode": row["reasoning_mode"], "tool": row["with_tool"]})


def name_of(row: dict[str, Any]) -> str:
    return str(key_of(row))


def _answer(row: dict[str, Any]) -> str | None:
    """The answer as it is extracted from the conversation, from what was said last or else from all of it."""
    said = [m for m in row["messages"] if m["role"] == "assistant"]
    last = extract_answer((said[-1]["content"] or said[-1]["reasoning_content"] or "") if said else "")
    if last is not None:
        return last
    return extract_answer("\n\n".join(text for m in said for text in (m["reasoning_content"], m["content"]) if text))
