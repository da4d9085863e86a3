"""Evaluate: problems with answers in, accuracies with intervals out. A run like any other, but without a dataset.

What it ends with, under `evaluation/`: `problems-*.parquet` (every sample of every problem), `result.json` (the
metrics) and `README.md` (the table for a model card).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice, zip_longest
from typing import Any

from factory import ingest, sources
from factory.errors import FactoryError
from factory.evaluation import benchmarks, results, samples
from factory.evaluation.results import RESULT, Result
from factory.planning.cost import Cost
from factory.programs.evaluate import EVALUATION
from factory.recipe import Evaluate, Source
from factory.records import EVALUATE, Annotation, Problem, Reject, Trace, Verdict
from factory.report import evaluation as shown
from factory.report.funnel import Stage as FunnelStage
from factory.report.gather import PageData
from factory.report.html import Section
from factory.runs.kind import Published, RunKind, with_known_version
from factory.stages.stage import Stage, program_stage
from factory.store.fs import Store
from factory.store.plan import PARTITION_BYTES, cut
from factory.store.publish import Mapper
from factory.store.reader import JournalReader
from factory.store.run import RUN_FILE, Run

README = f"{samples.DIRECTORY}README.md"
LOOKED_AT = 100
"""Rows of a source that are looked at before anything starts, to see whether it has answers."""


class Evaluation(RunKind[Evaluate]):
    """The kind of run that measures a model."""

    recipe = Evaluate

    def check(self, recipe: Evaluate, store: Store) -> None:
        if ingest.load(store) is None:
            if recipe.benchmarks:
                benchmarks.digests(recipe.benchmarks)  # raises for a file that is not there
            for split in _firsts(ingest.group_splits(_sources(recipe))):
                _refuse_without_answers(split)

    def resolve(self, recipe: Evaluate, store: Store) -> Evaluate:
        """The recipe with the digests of its benchmark files and the versions of the runs that it reads."""
        known = Run.attach(store.uri).recipe if store.exists(RUN_FILE) else {}
        pairs = zip_longest(recipe.sources, known.get("sources", []))
        found = [with_known_version(source, old) if source.kind == "run" else source for source, old in pairs if source]
        update: dict[str, Any] = {"sources": found}
        if recipe.benchmarks and not recipe.benchmarks.sha256:
            digests = _known_digests(recipe, known.get("benchmarks")) or benchmarks.digests(recipe.benchmarks)
            update["benchmarks"] = recipe.benchmarks.model_copy(update={"sha256": digests})
        return recipe.model_copy(update=update)

    def read_inputs(self, run: Run, recipe: Evaluate, mapper: Mapper) -> ingest.Inputs:
        groups = ingest.group_splits(_sources(recipe))
        tasks = [(run.store, number, splits) for number, splits in enumerate(groups)]
        parts = mapper(lambda task: ingest.read_group(*task), tasks)
        return ingest.finish(run.store, [part for group in parts for part in group])

    def stages(self, recipe: Evaluate) -> list[Stage]:
        return [program_stage(EVALUATION, recipe)]

    def publish(self, run: Run, recipe: Evaluate, inputs: ingest.Inputs, mapper: Mapper) -> Published:
        """Write the result of what the journal holds now."""
        reader = run.reader()
        kinds = (Verdict, Reject, Annotation, Trace)
        partitions = cut({kind: reader.parts(kind) for kind in kinds}, PARTITION_BYTES)
        for key in samples.stored(run.store)[len(partitions) :]:
            run.store.delete(key)  # of an earlier start, whose journal was cut into more ranges
        list(mapper(partial(samples.write_range, run.store), partitions))
        result = _result(run, recipe, reader)
        run.store.write(README, shown.markdown(result).encode())
        run.store.write(RESULT, result.to_json())
        table = shown.text(result)
        return Published(_funnel(inputs, reader), None, f"{table}\nresult: {run.uri}/{RESULT} (README.md beside it)")

    def sections(self, found: PageData, cost: Cost | None) -> Iterable[Section]:
        return shown.sections(found, cost)


def _sources(recipe: Evaluate) -> list[Source]:
    """All inputs, benchmarks first, each under its own name."""
    return [*(benchmarks.sources(recipe.benchmarks) if recipe.benchmarks else []), *recipe.sources]


def _known_digests(recipe: Evaluate, known: dict[str, Any] | None) -> dict[str, str]:
    """Those of the files that this run was started with: it continues with them, also if the folder is gone."""
    given = recipe.benchmarks.model_dump(mode="json", exclude={"sha256"}) if recipe.benchmarks else {}
    same = known is not None and {**known, "sha256": None} == {**given, "sha256": None}
    return dict(known["sha256"]) if same and known else {}


def _firsts(groups: Sequence[Sequence[sources.Split]]) -> list[sources.Split]:
    """The first split of each source."""
    first: dict[str, sources.Split] = {}
    for group in groups:
        first.setdefault(group[0].source.model_dump_json(), group[0])
    return list(first.values())


def _refuse_without_answers(split: sources.Split) -> None:
    source, rows = split.source, list(islice(sources.read(split), LOOKED_AT))
    problems = [row for row in rows if isinstance(row, Problem)]
    if problems and not any(problem.answer for problem in problems):
        raise FactoryError(
            f"{source.path} has no answers to evaluate against",
            why=f"none of its first {len(problems)} problems has one in the column {source.columns.answer!r}",
            remedy="name the column that holds them as `columns.answer`; a benchmark that was fetched before answers "
            "were is fetched again once its file is removed",
        )


def _result(run: Run, recipe: Evaluate, reader: JournalReader) -> Result:
    rejected = {f"{reason.stage}/{reason.reason}": n for reason, n in sorted(reader.count_rejects().items())}
    rows = samples.rows(run.uri)
    configurations = [c for one in results.gather(rows) for c in results.by_subset(one, recipe.sizes)]
    return Result(
        name=recipe.name,
        model=recipe.student.model,
        revision=recipe.student.revision,
        fingerprint=run.fingerprint,
        configurations=configurations,
        rejected=rejected,
        sampling={"samples": recipe.attempts.samples, **json.loads(recipe.attempts.sampling.model_dump_json())},
        notes=results.notes(configurations),
    )


def _funnel(inputs: ingest.Inputs, reader: JournalReader) -> list[FunnelStage]:
    read = FunnelStage(name="read", unit="rows", rows_in=inputs.rows, rows_out=inputs.kept, rejects=inputs.rejects)
    rejects = {reason.reason: n for reason, n in reader.count_rejects().items()}
    measured = FunnelStage(
        name=EVALUATE, unit="problems", rows_in=inputs.kept, rows_out=reader.count_verdicts(), rejects=rejects
    )
    return [read, measured]
