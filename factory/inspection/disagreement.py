"""`factory disagreement URI`: how rules, judge model and majority fall together over a run's samples."""

from __future__ import annotations

from collections.abc import Iterator

from factory.arrow import from_table
from factory.records import Verdict
from factory.store.parts import DIRECTORIES
from factory.store.run import Run
from factory.store.tables import read_table
from factory.verify.judge import Disagreement, Views, disagreement


def of_run(uri: str) -> Disagreement:
    """Over all judged samples of the run; a problem that was judged twice counts once."""
    return disagreement(Views(j.symbolic, j.judge, j.majority) for v in _verdicts(uri) for j in v.judgements)


def _verdicts(uri: str) -> Iterator[Verdict]:
    store = Run.attach(uri).store
    seen: set[str] = set()
    for entry in store.list(DIRECTORIES[Verdict]):
        for verdict in from_table(Verdict, read_table(store, entry.key)):
            if verdict.problem.id not in seen:
                seen.add(verdict.problem.id)
                yield verdict
