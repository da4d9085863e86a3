"""Derived runs: a program over the problems and answers of another run, which ends in a dataset of its own.

The source run is read once, when the inputs are taken in, a range of problems at a time: its endings whole, its traces
by their answers alone. Its traces are copied into the new journal last, part by part, so that the new run stands on
its own: it is published, audited and explained like any other, and the source may go.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import partial, reduce
from operator import add
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from factory import ingest, sources
from factory.arrow import from_dict, from_table
from factory.ingest import ROWS_PER_PART, Inputs, Part
from factory.programs.answered import AnsweredProblem, StoredAnswer
from factory.programs.program import Program
from factory.programs.solve import STAGE
from factory.recipe import Decontaminate, Rejudge, RunRecipe, Sandbox, Solve, Teacher
from factory.records import SOLVE, Judgement, Problem, Reject, SampleKey, Trace, Verdict
from factory.report.card import card
from factory.report.differences import Differences, markdown, section
from factory.report.funnel import Stage as FunnelStage
from factory.report.gather import PageData
from factory.report.html import Section
from factory.runs.kind import Kind, as_before
from factory.settings import Strict
from factory.sources.stored_run import Origin, RunSplit
from factory.stages.declared import Stage, of_program
from factory.store.counts import sums
from factory.store.fs import Store
from factory.store.ids import Hashes, contained, hashes_of
from factory.store.kinds import DIRECTORIES, KINDS
from factory.store.outcome import WITHDRAWN, Endings
from factory.store.partition_reader import PartitionReader
from factory.store.parts import PartInfo, assemble
from factory.store.plan import Partition, ranges
from factory.store.publish import Mapper
from factory.store.reader import read_ahead
from factory.store.row_kind import OWNER
from factory.store.run import RUN_FILE, Run
from factory.store.tables import read_table, write_rows

SOURCE = "inputs/source.json"
"""The source's recipe, and into how many ranges its problems were cut when they were taken in."""
COPIED = "inputs/traces.json"
"""There once all traces of the source are in the journal: from then on the source may go."""
DIFFERENCES = "differences.json"
PARTS_PER_COPY = 16
_INHERITED: dict[str, type[Strict]] = {
    "solve": Solve,
    "teacher": Teacher,
    "sandbox": Sandbox,
    "decontaminate": Decontaminate,
}
_ENDINGS = (Verdict, Reject)
_ANSWER_COLUMNS = [f.name for f in fields(StoredAnswer) if f.name in KINDS[Trace].schema.names]


@dataclass(frozen=True)
class Derived(Kind[Rejudge]):
    """The kind of run that puts one program over a finished run."""

    recipe: type[RunRecipe]  # type: ignore[misc]
    program: Program[AnsweredProblem]
    reads: ClassVar[type] = AnsweredProblem

    def check(self, recipe: Rejudge, store: Store) -> None:
        if ingest.finished(store) is None:
            sources.splits(recipe.source)

    def complete(self, recipe: Rejudge, store: Store) -> Rejudge:
        """The recipe with the version of its source, and with the rules of the source where it gives none."""
        known = Run.attach(store.uri).recipe if store.exists(RUN_FILE) else {}
        source = as_before(recipe.source, known.get("source"))
        inherited = known or Run.attach(source.path).recipe
        sections = {
            name: getattr(recipe, name) or kind.model_validate(inherited[name]) for name, kind in _INHERITED.items()
        }
        return recipe.model_copy(update={"source": source, **sections})

    def take_in(self, run: Run, recipe: Rejudge, mapper: Mapper) -> Inputs:
        source = Run.attach(recipe.source.path)
        splits = sources.splits(recipe.source.model_copy(update={"what": "traces"}))
        partitions = [split.partition for split in splits if isinstance(split, RunSplit)]
        parts = [part for group in mapper(partial(_take_in, source, run, recipe), partitions) for part in group]
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
        return ingest.settle(run.store, inputs)

    def stages(self, recipe: Rejudge) -> list[Stage]:
        return [of_program(self.program, recipe)]

    def conclude(self, run: Run, recipe: Rejudge, inputs: Inputs, mapper: Mapper) -> None:
        if not run.store.exists(COPIED):
            _copy_traces(run, recipe, inputs, mapper)
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


def _take_in(source: Run, run: Run, recipe: Rejudge, partition: Partition) -> list[Part]:
    """One range of the source's problems as input parts: those that have ended, and a reject for each that has not.

    A withdrawal of the source is carried over: no policy makes a benchmark's problem a training problem again.
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
            answers.pop(reject.id, None)  # it left before it was solved
    journal.close()
    path, version = recipe.source.path, recipe.source.version or 0
    for row_id, problem in problems.items():  # so that a row's life can be followed back into the source
        problems[row_id] = replace(problem, position=str(Origin(path, version, row_id)))
    ended = [_answered(problems[row_id], answers.pop(row_id, []), endings) for row_id in sorted(problems)]
    why = "it has no ending in the source run"
    unfinished = [
        Reject(id=row_id, kind="problem", stage="read", reason="unfinished", detail=why) for row_id in sorted(answers)
    ]
    parts: list[Part] = []
    for kind, rows in ((AnsweredProblem, ended), (Reject, unfinished)):
        for start in range(0, len(rows), ROWS_PER_PART):
            batch = rows[start : start + ROWS_PER_PART]
            key = f"inputs/{kind.__name__}/{partition.number:05}-{len(parts):04}.parquet"
            write_rows(run.store, key, kind, batch)
            parts.append(Part(key=key, kind=kind.__name__, ids=np.empty(0, np.uint64), rows=len(batch)))
    return parts


def _answers(reader: PartitionReader) -> dict[str, list[StoredAnswer]]:
    """Every answer that `solve` drew for the partition's problems; those that the journal holds twice once."""
    found: dict[str, dict[tuple[SampleKey, str], StoredAnswer]] = defaultdict(dict)
    for table in reader.tables(Trace, [*_ANSWER_COLUMNS, OWNER]):
        for row in table.select(_ANSWER_COLUMNS).to_pylist():
            answer = from_dict(StoredAnswer, row)
            if answer.task == SOLVE:
                found[answer.problem_id][answer.key, answer.uid] = answer
    return {problem_id: list(answers.values()) for problem_id, answers in found.items()}


def _answered(problem: Problem, answers: list[StoredAnswer], endings: Endings) -> AnsweredProblem:
    """A problem with one answer a key: the one that the source judged, else the first."""
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


def _copy_traces(run: Run, recipe: Rejudge, inputs: Inputs, mapper: Mapper) -> None:
    """The source's traces of the run's problems, each part under its own name: what is there already is not read."""
    source = Run.attach(recipe.source.path)
    there = {entry.key for entry in run.store.list(DIRECTORIES[Trace])}
    missing = [info for info in source.reader().parts(Trace) if info.entry.key not in there]
    ids = [read_table(run.store, key)["id"].to_pylist() for key in inputs.parts_of(AnsweredProblem)]
    kept = np.sort(np.concatenate([np.empty(0, np.uint64), *map(hashes_of, ids)]))
    tasks = [missing[start : start + PARTS_PER_COPY] for start in range(0, len(missing), PARTS_PER_COPY)]
    copied = sum(mapper(partial(_copy, source.store, run, kept), tasks))
    run.store.write(COPIED, json.dumps({"parts": len(there) + copied}).encode())


def _copy(source: Store, run: Run, kept: Hashes, infos: Sequence[PartInfo]) -> int:
    """Copy the parts' traces of kept problems; how many parts hold any."""
    copied = 0
    for info in infos:
        groups, contents = list[pa.Table](), defaultdict[str, list[Any]](list)
        tallies = []
        for located in read_ahead(source, Trace, [(info.entry, range(len(info.groups)))]):
            owners = located.table[OWNER].to_pylist()
            table = located.table.filter(pa.array(contained(hashes_of(owners), kept), pa.bool_()))
            if table.num_rows:
                groups.append(table)
                contents["groups"].append(sorted(set(table[OWNER].to_pylist())))
                contents["group_bytes"].append(table.nbytes)
                tallies += [_tally(table)]
        if groups:
            tally = {heading: astuple(count) for heading, count in sums(tallies).items()}
            whole = {"fingerprint": run.fingerprint, **contents, "tally": tally}
            run.store.write(info.entry.key, assemble(Trace, groups, whole).to_pybytes())
            copied += 1
    return copied


def _tally(table: pa.Table) -> dict[str, Any]:
    """What a part's footer counts of these traces, from the columns that are counted."""
    kind = KINDS[Trace]
    rows = (_Counted(**row) for row in table.select([f.name for f in fields(_Counted)]).to_pylist())
    return sums({kind.heading(row): kind.count(row)} for row in rows)


@dataclass(frozen=True, slots=True)
class _Counted:
    mode: str
    tool: bool
    task: str
    teacher: str
    n_generated_tokens: int
    n_tool_tokens: int
    n_regenerated_tokens: int


def _number(key: str) -> int:
    """The range of problems that an input part belongs to."""
    return int(key.rsplit("/", 1)[1].split("-", maxsplit=1)[0])


def _compare(store: Store, parts: Sequence[str], partition: Partition) -> Differences:
    """What became of one range of problems, beside what the source made of them."""
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
