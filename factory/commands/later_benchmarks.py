"""`factory add-benchmarks`: compare a finished run with benchmarks that came later, and withdraw what they contain.

Only the new pairs are compared. A withdrawal is a row in the journal like every other ending: the next publish leaves
the problem's traces out, and the funnel counts it at a stage of its own, after solve.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from factory import settings
from factory.arrow import from_dict
from factory.commands.decontaminate_file import PairJudge, as_json, settle_batch
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.incremental import check_later
from factory.decontaminate.index import BenchmarkIndex
from factory.errors import FactoryError
from factory.recipe import Decontaminate
from factory.records import Problem, Reject, Verdict
from factory.stages.decontaminate import contaminated
from factory.store.journal import JournalWriter
from factory.store.outcome import WITHDRAWN
from factory.store.run import Run

_ROWS_PER_BATCH = 2048


def add_benchmarks(
    uri: str,
    benchmarks: Sequence[str],
    *,
    apply: bool = False,
    overrides: Sequence[str] = (),
    judge: PairJudge | None = None,
    emit: Callable[[str], None] = lambda line: None,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each solved problem of the run that must leave: id, score, reason and its nearest problems.

    With `apply` the problems are withdrawn from the run once all of them are known. Run again, it finds only what is
    not withdrawn yet. `overrides` are settings of the recipe's `decontaminate` section, such as `cache=DIR`.
    """
    run = Run.attach(uri)
    config = settings.validate(
        Decontaminate, settings.override(dict(run.recipe["decontaminate"]), overrides), "the run's recipe and --set"
    )
    if not benchmarks:
        raise FactoryError("no benchmark is given", remedy="factory add-benchmarks URI NEW.jsonl ...")
    embedder = Embedder(config.embedding, cache=config.cache)
    index = BenchmarkIndex.build(benchmarks, embedder)
    leaving: list[Reject] = []
    compared = 0
    problems = _solved(run)
    while batch := list(islice(problems, _ROWS_PER_BATCH)):
        compared += len(batch)
        checked = check_later(batch, index, embedder, config)
        if judge:
            checked = settle_batch(checked, index, judge, config)
        for found in checked:
            if found.contaminated:
                leaving.append(contaminated(found, WITHDRAWN))
                yield {"id": found.problem.id, **as_json(found)}
    emit(f"{compared:,} solved problems compared with {len(index.problems):,} of {', '.join(index.benchmarks)}")
    if apply:
        _withdraw(run, leaving, index, compared)
        emit(f"{len(leaving):,} withdrawn; start the job again with the same recipe and --out to publish without them")
    else:
        emit(f"{len(leaving):,} must leave; --apply withdraws them")


def _solved(run: Run) -> Iterator[Problem]:
    """Every problem with a verdict that is not withdrawn, once."""
    for _, _, table in run.reader().counted(Verdict, ["problem"]):
        for values in table["problem"].to_pylist():
            yield from_dict(Problem, values)


def _withdraw(run: Run, leaving: list[Reject], index: BenchmarkIndex, compared: int) -> None:
    """Journal the withdrawals, and put on record which benchmarks the run has been compared with."""
    writer = JournalWriter(run.store, "withdraw", part_mb=32, part_age_s=30, fingerprint=run.fingerprint)
    for reject in leaving:
        writer.append(reject)
    writer.close()
    record = {"benchmarks": index.benchmarks, "compared": compared, "withdrawn": [reject.id for reject in leaving]}
    data = json.dumps(record, indent=1).encode()
    run.store.write(f"benchmarks/later-{hashlib.sha256(data).hexdigest()[:12]}.json", data)
