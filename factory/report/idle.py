"""What the engines' time went to, over all workers of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable


class IdleTime:
    """Collects the accounts of workers (`admission.Idle` as JSON, cumulative); of each worker the last counts."""

    def __init__(self) -> None:
        self._latest: dict[str, dict[str, float]] = {}

    def update(self, workers: Iterable[str], accounts: Iterable[str]) -> None:
        for worker, account in zip(workers, accounts, strict=True):
            seconds = json.loads(account)
            if sum(seconds.values()) >= sum(self._latest.get(worker, {}).values()):
                self._latest[worker] = seconds

    def seconds(self) -> Counter[str]:
        """Pool-seconds by cause, over all workers: each of them saw the whole pool, so only their shares mean much."""
        seconds: Counter[str] = Counter()
        for account in list(self._latest.values()):
            seconds.update(account)
        return seconds

    def shares(self) -> dict[str, float]:
        """Share of the engines' time by cause, `busy` among them; empty if nothing was observed."""
        seconds = self.seconds()
        total = seconds.total()
        return {cause: n / total for cause, n in seconds.most_common() if n} if total else {}

    def line(self) -> str:
        return ", ".join(f"{cause} {share:.0%}" for cause, share in self.shares().items() if share >= 0.005)
