"""Inputs of a derived run: the problems and answers that the journal of its source run has, a range at a time.

The endings are read whole, of the traces only the answers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace

import numpy as np

from factory.arrow import from_dict
from factory.ingest import ROWS_PER_PART, Part
from factory.programs.answered import AnsweredProblem, StoredAnswer
from factory.programs.solve import STAGE
from factory.recipe import Rejudge
from factory.records import SOLVE, Judgement, Problem, Reject, SampleKey, Trace
from factory.sources.stored_run import RunOrigin
from factory.store.kinds import KINDS
from factory.store.outcome import WITHDRAWN, Endings
from factory.store.partition_reader import PartitionReader
from factory.store.plan import Partition
from factory.store.row_kind import OWNER
from factory.store.run import Run
from factory.store.tables import write_rows

_ANSWER_COLUMNS = [f.name for f in fields(StoredAnswer) if f.name in KINDS[Trace].schema.names]


def read_range(source: Run, run: Run, recipe: Rejudge, partition: Partition) -> list[Part]:
    """One range of the source's problems as input parts: those that have an ending, and a reject for each other one.

    Withdrawals are copied to the new journal: no policy turns a benchmark's problem back into a training problem.
    """
    reader = PartitionReader(source.store, partition)
    endings, answers = reader.endings(), _answers(reader)
    verdicts = (ending.verdict for ending in endings.with_verdict() if ending.verdict)
    problems = {verdict.problem.id: verdict.problem for verdict in verdicts}
    journal = run.writer(f"derived-{partition.number:05d}", recipe.journal)
    for reject in endings.rejects():
        if reject.stage in (STAGE, WITHDRAWN) and isinstance(reject.whole, Problem):
            problems[reject.id] = reject.whole
            if reject.stage == WITHDRAWN:
                journal.append(reject)
        elif reject.kind == "problem":
            answers.pop(reject.id, None)  # rejected before it was solved
    journal.close()
    path, version = recipe.source.path, recipe.source.version or 0
    for row_id, problem in problems.items():  # so that `factory why` can follow a row back into the source
        problems[row_id] = replace(problem, position=str(RunOrigin(path, version, row_id)))
    finished = [_with_answers(problems[row_id], answers.pop(row_id, []), endings) for row_id in sorted(problems)]
    why = "it has no ending in the source run"
    unfinished = [
        Reject(id=row_id, kind="problem", stage="read", reason="unfinished", detail=why) for row_id in sorted(answers)
    ]
    parts: list[Part] = []
    for kind, rows in ((AnsweredProblem, finished), (Reject, unfinished)):
        for start in range(0, len(rows), ROWS_PER_PART):
            batch = rows[start : start + ROWS_PER_PART]
            key = f"inputs/{kind.__name__}/{partition.number:05}-{len(parts):04}.parquet"
            write_rows(run.store, key, kind, batch)
            parts.append(Part(key=key, kind=kind.__name__, ids=np.empty(0, np.uint64), rows=len(batch)))
    return parts


def _answers(reader: PartitionReader) -> dict[str, list[StoredAnswer]]:
    """Every answer that `solve` drew for the partition's problems, without duplicates."""
    found: dict[str, dict[tuple[SampleKey, str], StoredAnswer]] = defaultdict(dict)
    for table in reader.tables(Trace, [*_ANSWER_COLUMNS, OWNER]):
        for row in table.select(_ANSWER_COLUMNS).to_pylist():
            answer = from_dict(StoredAnswer, row)
            if answer.task == SOLVE:
                found[answer.problem_id][answer.key, answer.uid] = answer
    return {problem_id: list(answers.values()) for problem_id, answers in found.items()}


def _with_answers(problem: Problem, answers: list[StoredAnswer], endings: Endings) -> AnsweredProblem:
    """A problem with one answer per sample key: the one that the source judged, else the first."""
    ending = endings.of(problem.id)
    judged: dict[SampleKey, Judgement] = ending.judgements
    chosen: dict[SampleKey, StoredAnswer] = {}
    for answer in sorted(answers, key=lambda a: (str(a.key), a.attempt, a.uid)):
        judgement = judged.get(answer.key)
        if judgement is not None and judgement.uid == answer.uid:
            values = {f.name: getattr(answer, f.name) for f in fields(StoredAnswer)}
            chosen[answer.key] = StoredAnswer(**{**values, "judged": True, "equal": judgement.equal})
        elif judgement is None:
            chosen.setdefault(answer.key, answer)
    return AnsweredProblem(
        id=problem.id,
        problem=problem,
        answers=list(chosen.values()),
        ending=ending.rejected.reason if ending.rejected else "verdict",
        reference=ending.verdict.reference if ending.verdict else None,
        difficulty=ending.verdict.difficulty if ending.verdict else None,
    )
