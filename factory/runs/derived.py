"""Derived runs: a program over the problems and answers of another run, which ends in a dataset of its own.

The source run is read once, when the inputs are written, a range of problems at a time (`derived_inputs.py`). Its
traces are copied into the new journal last (`copied_traces.py`), so the new run depends on nothing else: it is
published, audited and explained like any other, and the source may be deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any, ClassVar

from factory import ingest, sources
from factory.arrow import from_table
from factory.ingest import Inputs
from factory.programs.answered import AnsweredProblem
from factory.programs.program import Program
from factory.recipe import Decontaminate, Rejudge, RunRecipe, SandboxSettings, Solve, Teacher
from factory.records import Reject, Verdict
from factory.report.card import card
from factory.report.differences import Differences, markdown, section
from factory.report.funnel import Stage as FunnelStage
from factory.report.gather import PageData
from factory.report.html import Section
from factory.runs.copied_traces import COPIED, copy_traces
from factory.runs.derived_inputs import read_range
from factory.runs.kind import RunKind, with_known_version
from factory.settings import Strict
from factory.sources.stored_run import RunSplit
from factory.stages.stage import Stage, program_stage
from factory.store.fs import Store
from factory.store.outcome import Endings
from factory.store.partition_reader import PartitionReader
from factory.store.parts import PartInfo
from factory.store.plan import Partition, ranges
from factory.store.publish import Mapper
from factory.store.run import RUN_FILE, Run
from factory.store.tables import read_table

SOURCE = "inputs/source.json"
"""The source's recipe, and the number of ranges that its problems were read in."""
DIFFERENCES = "differences.json"
_INHERITED: dict[str, type[Strict]] = {
    "solve": Solve,
    "teacher": Teacher,
    "sandbox": SandboxSettings,
    "decontaminate": Decontaminate,
}
_ENDINGS = (Verdict, Reject)


@dataclass(frozen=True)
class DerivedRun(RunKind[Rejudge]):
    """The kind of run that applies one program to a finished run."""

    recipe: type[RunRecipe]  # type: ignore[misc]
    program: Program[AnsweredProblem]
    reads: ClassVar[type] = AnsweredProblem

    def check(self, recipe: Rejudge, store: Store) -> None:
        if ingest.load(store) is None:
            sources.splits(recipe.source)

    def resolve(self, recipe: Rejudge, store: Store) -> Rejudge:
        """The recipe with the version of its source, and the source's own sections where it leaves them out."""
        known = Run.attach(store.uri).recipe if store.exists(RUN_FILE) else {}
        source = with_known_version(recipe.source, known.get("source"))
        inherited = known or Run.attach(source.path).recipe
        sections = {
            name: getattr(recipe, name) or kind.model_validate(inherited[name]) for name, kind in _INHERITED.items()
        }
        return recipe.model_copy(update={"source": source, **sections})

    def read_inputs(self, run: Run, recipe: Rejudge, mapper: Mapper) -> Inputs:
        source = Run.attach(recipe.source.path)
        splits = sources.splits(recipe.source.model_copy(update={"what": "traces"}))
        partitions = [split.partition for split in splits if isinstance(split, RunSplit)]
        parts = [part for group in mapper(partial(read_range, source, run, recipe), partitions) for part in group]
        run.store.write(SOURCE, json.dumps({"recipe": source.recipe, "ranges": len(partitions)}).encode())
        problems = sum(part.rows for part in parts if part.kind == AnsweredProblem.__name__)
        unfinished = sum(part.rows for part in parts if part.kind == Reject.__name__)
        inputs = Inputs(
            rows=problems + unfinished,
            problems=problems,
            threads=0,
            rejects={"unfinished": unfinished} if unfinished else {},
            parts=[part.key for part in parts],
            duplicates={},
        )
        return ingest.save(run.store, inputs)

    def stages(self, recipe: Rejudge) -> list[Stage]:
        return [program_stage(self.program, recipe)]

    def conclude(self, run: Run, recipe: Rejudge, inputs: Inputs, mapper: Mapper) -> None:
        if not run.store.exists(COPIED):
            copy_traces(run, recipe, inputs, mapper)
        if not run.store.exists(DIFFERENCES) or Differences.from_json(run.store.read(DIFFERENCES)).unfinished:
            parts = inputs.parts_of(AnsweredProblem)
            reader = run.reader()
            infos: dict[type, list[PartInfo]] = {kind: reader.parts(kind) for kind in _ENDINGS}
            partitions = ranges(infos, json.loads(run.store.read(SOURCE))["ranges"])
            found = mapper(partial(_compare, run.store, parts), partitions)
            run.store.write(DIFFERENCES, reduce(add, found, Differences()).to_json())

    def card(self, run: Run, manifest: Any, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        source = json.loads(run.store.read(SOURCE))["recipe"]
        files = card(manifest, {**source, **run.recipe}, stages)
        differences = run.store.read(DIFFERENCES)
        words = f"\n## Judged again\n\nThe traces are those of `{run.recipe['source']['path']}`, version "
        words += f"{run.recipe['source']['version']}. {markdown(Differences.from_json(differences))}\n"
        return {**files, "README.md": files["README.md"] + words.encode(), DIFFERENCES: differences}

    def sections(self, found: PageData, cost: Any) -> Iterable[Section]:
        store = found.run.store
        shown = [section(Differences.from_json(store.read(DIFFERENCES)))] if store.exists(DIFFERENCES) else []
        return [*shown, *super().sections(found, cost)]


def _number(key: str) -> int:
    """The range of problems that an input part belongs to."""
    return int(key.rsplit("/", 1)[1].split("-", maxsplit=1)[0])


def _compare(store: Store, parts: Sequence[str], partition: Partition) -> Differences:
    """How the outcomes of one range of problems differ from those in the source."""
    endings, found = PartitionReader(store, partition).endings(), Differences()
    for key in parts:
        if _number(key) == partition.number:
            for row in from_table(AnsweredProblem, read_table(store, key)):
                _count(found, row, endings)
    return found


def _count(found: Differences, row: AnsweredProblem, endings: Endings) -> None:
    now = endings.of(row.id)
    word = "verdict" if now.verdict else now.rejected.reason if now.rejected else "unfinished"
    found.problems[row.ending, word] += 1
    if row.ending != "verdict" or now.verdict is None:
        return
    found.references += row.reference != now.verdict.reference
    found.difficulties += row.difficulty != now.verdict.difficulty
    for answer in row.answers:
        judgement = now.judgements.get(answer.key)
        if answer.judged and judgement is not None:
            about = {
                "problem": row.id,
                "reference": now.verdict.reference,
                "answer": answer.answer,
                "method": judgement.method,
            }
            found.count_answer(answer.equal, judgement.equal, about)
