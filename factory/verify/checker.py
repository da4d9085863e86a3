"""A pool of killable workers that compare answers: every pair ends within its budget, whatever the answers hold.

`Checker.equal` looks a pair up, decides trivial ones on the spot and sends the rest to a worker process. A worker that
overruns the budget or the memory bound is killed and replaced, and its pair is undecided. A pair whose worker died
under it gets a second one: only a pair that loses both is undecided.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from factory.errors import FactoryError
from factory.recipe import EquivalencePolicy
from factory.verify.equivalence import MAX_ANSWER_CHARS, MAX_CHARS, equivalent_at_sight, normal_pair
from factory.verify.extract import answer_of
from factory.verify.frames import HEADER, encode
from factory.verify.result import Equivalence, undecided

_WORKER = "factory.verify.worker"
_START_TIMEOUT_S = 120.0
_START_ATTEMPTS = 3


@dataclass(slots=True)
class CheckerStats:
    """What a checker has done so far; `replaced` counts workers that were killed or died."""

    pairs: int = 0
    cached: int = 0
    at_sight: int = 0
    replaced: int = 0


class Checker:
    """Compares answers in `workers` processes of at most `memory_mb` MiB each; one pair gets `timeout_s` seconds.

    Bound to the event loop of its first `equal`. Verdicts are cached by normalised pair (`cache_size` of them, the
    least recently used leave first), except those that a kill cut short, which another attempt may decide.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout_s: float = 5.0,
        memory_mb: int = 2048,
        policy: EquivalencePolicy | None = None,
        cache_size: int = 100_000,
    ) -> None:
        self.stats = CheckerStats()
        self._policy = policy or EquivalencePolicy()
        self._timeout_s = timeout_s
        self._cache_size = cache_size
        self._cache: OrderedDict[tuple[str, str], Equivalence] = OrderedDict()
        self._under_way: dict[tuple[str, str], asyncio.Future[Equivalence]] = {}
        # the worker used last is taken first: a small load keeps to few warm processes
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._workers = [_Worker(memory_mb, self._policy) for _ in range(workers)]
        for worker in self._workers:
            self._free.put_nowait(worker)
        self._closed = False

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        """Whether `prediction` is the answer `gold`; never raises for what the two texts hold."""
        if self._closed:
            raise RuntimeError("the checker is closed")
        self.stats.pairs += 1
        if prediction is None:
            return Equivalence(False, "missing")
        if max(len(gold), len(prediction)) > MAX_CHARS:
            return equivalent_at_sight(gold, prediction, self._policy) or undecided("too_long")
        pair = normal_pair(gold, prediction, self._policy)
        if (known := self._cache.get(pair)) is not None:
            self.stats.cached += 1
            self._cache.move_to_end(pair)
            return known
        if (verdict := equivalent_at_sight(*pair, self._policy)) is not None:
            self.stats.at_sight += 1
            return self._remember(pair, verdict)
        if (twin := self._under_way.get(pair)) is not None:
            self.stats.cached += 1
            return await asyncio.shield(twin)
        return await self._in_worker(pair, gold, prediction)

    async def extracted(self, text: str) -> str | None:
        """The answer that `equal` takes from a text; None if it states none, is too long or overran the budget."""
        if len(text) <= MAX_ANSWER_CHARS:
            return answer_of(text, self._policy.boxes)
        if len(text) > MAX_CHARS:
            return None
        worker = await self._free.get()
        try:
            return await worker.extract(text, self._timeout_s)
        finally:
            await self._put_back(worker)

    def process_ids(self) -> list[int]:
        """The running workers, for those who watch them."""
        return [worker.process_id for worker in self._workers if worker.process_id is not None]

    async def warm_up(self) -> None:
        """Start every worker now, instead of when it is first needed."""
        await asyncio.gather(*(worker.start() for worker in self._workers))

    async def close(self) -> None:
        """Kill the workers. Comparisons under way end as undecided."""
        self._closed = True
        await asyncio.gather(*(worker.kill() for worker in self._workers))

    async def __aenter__(self) -> Checker:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _in_worker(self, pair: tuple[str, str], gold: str, prediction: str) -> Equivalence:
        """Compare the texts themselves: what was extracted for the key of the cache is not extracted again."""
        outcome: asyncio.Future[Equivalence] = asyncio.get_running_loop().create_future()
        self._under_way[pair] = outcome
        verdict = undecided("cancelled")
        try:
            worker = await self._free.get()
            try:
                verdict = await worker.compare(gold, prediction, self._timeout_s)
                if verdict.detail == "crash":  # not the pair's doing, perhaps: anything may kill a process
                    self.stats.replaced += 1
                    await worker.kill()
                    verdict = await worker.compare(gold, prediction, self._timeout_s)
            finally:
                await self._put_back(worker)
            return self._remember(pair, verdict)
        finally:
            del self._under_way[pair]
            outcome.set_result(verdict)

    async def _put_back(self, worker: _Worker) -> None:
        if worker.tainted:
            self.stats.replaced += 1
            await worker.kill()
        self._free.put_nowait(worker)

    def _remember(self, pair: tuple[str, str], verdict: Equivalence) -> Equivalence:
        if verdict.detail not in _TRANSIENT:
            self._cache[pair] = verdict
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return verdict


_TRANSIENT = {"timeout", "crash", "memory", "cancelled"}


class _WorkerLost(Exception):
    """A process that did not answer: why, as an undecided verdict says it."""


class _Worker:
    """One process and the frames to and from it. `tainted`: it was left in the middle of a pair, or it ended."""

    def __init__(self, memory_mb: int, policy: EquivalencePolicy) -> None:
        self.tainted = False
        self._command = [sys.executable, "-m", _WORKER, str(memory_mb), policy.model_dump_json()]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and wait until it reads pairs; nothing happens where it runs already."""
        attempts = 0
        while self._process is None:
            attempts += 1
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
            )
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await self._receive()
            except (asyncio.IncompleteReadError, TimeoutError):
                await self.kill()
                if attempts == _START_ATTEMPTS:
                    raise FactoryError(
                        "no checker process starts",
                        why=f"`{' '.join(self._command[:3])}` ended or stayed silent {attempts} times",
                        remedy="run that command by hand, and look at verify.memory_mb",
                    ) from None
            except asyncio.CancelledError:
                await self.kill()
                raise

    async def compare(self, gold: str, prediction: str, timeout_s: float) -> Equivalence:
        """One pair; the budget starts when a running process has it."""
        try:
            answer = await self._answer({"gold": gold, "prediction": prediction}, timeout_s)
        except _WorkerLost as reason:
            return undecided(str(reason))
        self.tainted = answer["detail"] == "memory"
        return Equivalence(answer["equal"], answer["method"], answer["detail"])

    async def extract(self, text: str, timeout_s: float) -> str | None:
        """The answer in a text; None if it holds none, or where the process did not find it in time."""
        try:
            answer = await self._answer({"text": text}, timeout_s)
        except _WorkerLost:
            return None
        self.tainted = False
        extracted: str | None = answer["extracted"]
        return extracted

    async def _answer(self, question: dict[str, str], timeout_s: float) -> dict[str, Any]:
        """What the process answers within its budget; raises _Lost with "timeout" or "crash"."""
        await self.start()
        self.tainted = True
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._exchange(question)
            if answer.get("state") == "warming":  # sympy is imported once per process, on no pair's budget
                async with asyncio.timeout(_START_TIMEOUT_S):
                    answer = await self._receive()
            if answer.get("state") == "warm":  # else the import failed, and this is the verdict
                async with asyncio.timeout(timeout_s):
                    answer = await self._receive()
        except TimeoutError:
            raise _WorkerLost("timeout") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _WorkerLost("crash") from None
        return answer

    async def kill(self) -> None:
        self.tainted = False
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _exchange(self, question: dict[str, str]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        # It may have ended since the last pair; a write would then fail, under each event loop with its own error.
        if self._process.stdin.is_closing():
            raise ConnectionResetError
        self._process.stdin.write(encode(question))
        await self._process.stdin.drain()
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        header = await self._process.stdout.readexactly(HEADER.size)
        body = await self._process.stdout.readexactly(HEADER.unpack(header)[0])
        answer: dict[str, Any] = json.loads(body)
        return answer
