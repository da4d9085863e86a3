"""`factory why URI PROBLEM`: the life of one row: where it came from, what was asked of it, and where it went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from factory import ingest
from factory.arrow import from_table, to_dict
from factory.errors import FactoryError
from factory.programs.answered import AnsweredProblem
from factory.records import (
    Annotation,
    CuratedThread,
    FinishedTurn,
    ModelReply,
    Problem,
    Reject,
    Thread,
    Trace,
    Verdict,
    tool_name,
)
from factory.sources.stored_run import RunOrigin
from factory.store.ids import owner_key
from factory.store.manifest import latest
from factory.store.outcome import Ending, Endings
from factory.store.report import PUBLISHED
from factory.store.run import Run
from factory.store.tables import read_table


@dataclass(slots=True, kw_only=True)
class RowHistory:
    """Everything that storage knows of one row."""

    id: str
    entered: list[tuple[str, Thread | Problem | Reject]] = field(default_factory=list)  # part, row
    curated: list[CuratedThread] = field(
        default_factory=list
    )  # endings of the thread: of this one, or of the problem's
    asked: list[ModelReply] = field(default_factory=list)
    turns: list[FinishedTurn] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    traces: list[tuple[Trace, str]] = field(default_factory=list)  # trace, outcome
    ending: Ending = field(default_factory=Ending)
    rejects: list[Reject] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)  # uid -> file
    before: list[tuple[RunOrigin, RowHistory | None]] = field(default_factory=list)  # in the runs that it was read from


def history_of(uri: str, row_id: str) -> RowHistory:
    """Look one row up everywhere. Raises `FactoryError` if no trace of it is found."""
    run = Run.attach(uri)
    journal = run.reader()
    life = RowHistory(id=row_id, entered=list(_entered(run, row_id)))
    for thread in (row_id, row_id.rpartition("/")[0]):  # a problem of a thread is named THREAD/NUMBER
        life.curated += journal.rows(CuratedThread, owner_key(thread, "thread"))
    life.asked = [*journal.rows(ModelReply, row_id), *journal.rows(ModelReply, owner_key(row_id, "thread"))]
    life.annotations = list(journal.rows(Annotation, row_id))
    life.turns = list(journal.rows(FinishedTurn, row_id))
    endings = Endings()
    for verdict in journal.rows(Verdict, row_id):
        endings.add_verdict(verdict)
    for owner in (row_id, owner_key(row_id, "thread")):
        for reject in journal.rows(Reject, owner):
            life.rejects.append(reject)
            endings.add_reject(reject)
    if not life.entered and (life.rejects or _problem(life)) and life.curated:
        life.entered = list(_entered(run, life.curated[0].thread_id))
    as_problem, as_thread = endings.of(row_id), endings.of(owner_key(row_id, "thread"))
    life.ending = as_problem if as_problem.verdict or as_problem.rejected else as_thread
    distinct = {(str(t.key), t.uid): t for t in journal.rows(Trace, row_id)}
    life.traces = [(trace, life.ending.outcome(trace.key, trace.uid)) for _, trace in sorted(distinct.items())]
    life.published = _published(run, life)
    life.before = list(_before(run, life))
    if not (life.entered or life.asked or life.traces or life.rejects or life.ending.verdict):
        raise FactoryError(
            f"{uri} knows no row {row_id!r}", remedy="ids stand in the column problem_id, and under inputs/ in id"
        )
    return life


def render(life: RowHistory) -> str:
    """One row's life for a terminal, in the order in which it happened."""
    return "\n".join([*_earlier(life), *_beginning(life), *_samples(life), *_end(life)])


def to_json(life: RowHistory) -> str:
    return json.dumps(_values(life), ensure_ascii=False)


def _values(life: RowHistory) -> dict[str, Any]:
    return {
        "id": life.id,
        "before": [
            {"uri": origin.uri, "version": origin.version, "life": _values(earlier) if earlier else None}
            for origin, earlier in life.before
        ],
        "entered": [{"part": part, "row": to_dict(row)} for part, row in life.entered],
        "curated": [to_dict(row) for row in life.curated],
        "asked": [to_dict(row) for row in life.asked],
        "samples": [
            {"key": str(t.key), "uid": t.uid, "answer": t.answer, "finish_reason": t.finish_reason, "outcome": outcome}
            | {"file": life.published.get(t.uid)}
            for t, outcome in life.traces
        ],
        "annotations": [to_dict(row) for row in life.annotations],
        "verdict": to_dict(life.ending.verdict) if life.ending.verdict else None,
        "rejects": [to_dict(row) for row in life.rejects],
    }


def _earlier(life: RowHistory) -> Iterator[str]:
    """The row's life in the run that it was read from, and before that."""
    for origin, earlier in life.before:
        if earlier is None:
            yield f"before     version {origin.version} of {origin.uri}, which is not to be read here any more"
        else:
            yield f"before     in version {origin.version} of {origin.uri}:"
            yield from (f"  {line}" for line in render(earlier).splitlines())


def _beginning(life: RowHistory) -> Iterator[str]:
    for part, row in life.entered:
        if isinstance(row, Reject):
            yield f"refused    at {row.stage}, {row.reason}{_detail(row)} (in {part}, from {row.position or '?'})"
            continue
        yield f"entered    {type(row).__name__.lower()} {row.id} from {row.position or 'an unnamed place'} (in {part})"
        if isinstance(row, Problem):
            yield f"           {_short(row.text)}"
            yield f"           answer of the source: {row.answer if row.answer is not None else 'none'}"
        else:
            yield f"           {_short(row.title or row.question.text)} ({len(row.answers)} answers)"
    yield from _curation(life)
    for asked in life.asked:
        yield f"asked      {asked.key}: {_short(asked.text)}"
    problem = life.ending.verdict.problem if life.ending.verdict else None
    for near in problem.neighbours if problem else []:
        yield f"compared   {near.benchmark}/{near.id}: cosine {near.cosine:.3f}, {near.verdict}"


def _curation(life: RowHistory) -> Iterator[str]:
    """What became of a thread, or each reply that made a problem out of one."""
    for ending in life.curated:
        if ending.thread_id == life.id:
            names = ", ".join(problem.id for problem in ending.problems) or "none"
            yield f"found      {len(ending.problems)} of {ending.n_found} problems go on: {names}"
    problem = _problem(life)
    for step, reply in problem.steps.items() if problem else ():
        yield f"curated    {step}: {_short(reply)}"
    if problem and problem.steps:
        yield f"problem    {_short(problem.text)}"
        yield f"           answer of the replies: {problem.answer if problem.answer is not None else 'none'}"


def _problem(life: RowHistory) -> Problem | None:
    """A problem of a thread as curation left it, also if it was rejected."""
    known = [problem for ending in life.curated for problem in ending.problems]
    known += [row for reject in life.rejects if isinstance(row := reject.whole, Problem)]
    return next((problem for problem in known if problem.id == life.id), None)


def _samples(life: RowHistory) -> Iterator[str]:
    judged = life.ending.judgements
    for trace, outcome in life.traces:
        judgement = judged.get(trace.key)
        by = f" by {judgement.method}" if judgement and judgement.uid == trace.uid else ""
        place = f" -> {life.published[trace.uid]}" if trace.uid in life.published else ""
        length = f"{trace.n_generated_tokens:,} tokens, {len(trace.tool_calls)} calls, {trace.finish_reason}"
        name = str(trace.key).removeprefix(f"{life.id}/")
        yield f"sample     {name}: answer {trace.answer!r}, {length}: {outcome}{by}{place}"
        for said in (row for row in life.annotations if row.uid == trace.uid):
            found = ", ".join(str(part) for part in (said.value, said.text) if part is not None)
            yield f"           {said.name}: {_short(found)}{f' by {said.model}' if said.model else ''}"
    known = {str(trace.key) for trace, _ in life.traces}
    for key in sorted({str(turn.key) for turn in life.turns} - known):
        n = sum(len(turn.token_ids) for turn in life.turns if str(turn.key) == key)
        yield f"under way  {key}: {n:,} tokens journaled"


def _end(life: RowHistory) -> Iterator[str]:
    verdict = life.ending.verdict
    if verdict is not None:
        changed = f", instead of {verdict.original_reference!r}" if verdict.changed_to_majority else ""
        votes = ", ".join(f"{answer!r}: {n}" for answer, n in sorted(verdict.votes.items(), key=lambda i: -i[1]))
        yield f"settled    {verdict.reference!r}{changed}; votes {votes or 'none'}"
        for regime in verdict.regimes:
            yield f"passed     {regime.name}: {regime.passed} of {regime.count}"
    for reject in life.rejects:
        yield f"rejected   at {reject.stage}, {reject.reason}{_detail(reject)}"
    n = sum(outcome == PUBLISHED for _, outcome in life.traces)
    if verdict is not None:
        files = len(set(life.published.values()))
        there = f"in {files} files" if life.published else "but no published version holds them yet"
        yield f"ended      verdict; {n} of {len(life.traces)} samples right, {there}"
    elif any(ending.thread_id == life.id for ending in life.curated):
        yield "ended      curated"
    elif life.ending.rejected is None and not any(isinstance(row, Reject) for _, row in life.entered):
        yield f"ended      not yet; {len(life.traces)} samples so far"


def _entered(run: Run, row_id: str) -> Iterator[tuple[str, Thread | Problem | Reject]]:
    """The row as it was read, and as it was refused where that happened before anything was journaled."""
    kinds: dict[str, type] = {k.__name__: k for k in (Thread, Problem, AnsweredProblem, Reject)}
    inputs = ingest.load(run.store)
    for key in [*(inputs.parts if inputs else []), *([ingest.DUPLICATES] if inputs and inputs.duplicates else [])]:
        table = read_table(run.store, key)
        row: Any
        for row in from_table(kinds[key.split("/")[1]], table.filter(pc.equal(table["id"], row_id))):
            yield key, row.problem if isinstance(row, AnsweredProblem) else row


def _before(run: Run, life: RowHistory) -> Iterator[tuple[RunOrigin, RowHistory | None]]:
    """What the runs tell of it that it was read from: named by its position, and by the recipe as sources."""
    sources = [*run.recipe.get("sources", ()), run.recipe.get("source", {})]
    runs = {source["path"] for source in sources if source.get("kind") == "run"}
    for _, row in life.entered:
        origin = RunOrigin.of(row.position)
        if origin is not None and origin.uri in runs:
            try:
                yield origin, history_of(origin.uri, origin.id)
            except FactoryError:
                yield origin, None


def _published(run: Run, life: RowHistory) -> dict[str, str]:
    manifest = latest(run.store)
    wanted = {(t.mode.value, tool_name(t.tool)) for t, outcome in life.traces if outcome == PUBLISHED}
    found: dict[str, str] = {}
    for shard in manifest.shards if manifest else []:
        if (shard.mode, shard.tool) in wanted:
            with run.store.parquet(shard.key, shard.bytes) as file:
                table = file.read(["problem_id", "uid"])
            uids = table.filter(pc.equal(table["problem_id"], life.id))["uid"].to_pylist()
            found |= dict.fromkeys(uids, shard.key)
    return found


def _detail(reject: Reject) -> str:
    return f": {_short(reject.detail)}" if reject.detail else ""


def _short(text: str, width: int = 100) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."
