"""`factory disagreement URI`: how often rules, judge model and majority agree over a run's samples."""

from __future__ import annotations

from factory.records import Verdict
from factory.report.columnar import flat
from factory.store.run import Run
from factory.verify.judge import Disagreement, Views, disagreement

_VIEWS = ("symbolic", "judge", "majority")


def of_run(uri: str) -> Disagreement:
    """Over all judged samples of problems whose verdict counts."""
    verdicts = Run.attach(uri).reader().counted(Verdict, [f"judgements.list.element.{name}" for name in _VIEWS])
    judgements = (row for _, _, table in verdicts for row in flat(table["judgements"]).to_pylist())
    return disagreement(Views(*(judgement[name] for name in _VIEWS)) for judgement in judgements)
