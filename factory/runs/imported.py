"""Import: a released dataset of solutions as a run, so that views, blends and every reading command work on it.

Its rows are about their samples, scattered over files; a run's are about problems. So they are brought together first:

    inputs/shuffled/00000.parquet   one a split of the files: its rows as JSON, sorted by range of problem hashes
    inputs/ranges/00000.json        one a range: its traces and verdicts are in the journal, and what was rejected

A task of either pass holds one split or one range. Killed and started again, tasks that left their file are not done
again; a range that was cut short is, and publishing counts its traces once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory import ingest
from factory.dialects import dialect, writing
from factory.dialects.protocol import Dialect
from factory.dialects.tokenizer import HfTokenizer
from factory.dialects.writing import CannotWrite
from factory.engines import model_files
from factory.recipe import Import
from factory.records import Annotation, JournalRow, Judgement, Mode, Reject, SampleKey, Trace, Verdict, uid_of
from factory.report.card import card
from factory.report.funnel import Stage as FunnelStage
from factory.runs.kind import RunKind
from factory.sources import released, table
from factory.sources.released import PASS_RATE, ReleasedSample
from factory.sources.row_error import RowError
from factory.sources.rows import as_json
from factory.sources.split import Split
from factory.stages.stage import Stage
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.journal import JournalWriter
from factory.store.manifest import Manifest
from factory.store.publish import Mapper
from factory.store.report import PUBLISHED
from factory.store.run import Run
from factory.store.tables import write_rows
from factory.verify import extract_answer
from factory.verify.difficulty import pass_rate, regimes

RANGE_BYTES = 128 << 20
"""Of the files, in one range of problems. Its rows take about four times as much memory."""
HELD_BYTES = 128 << 20
"""Of journaled rows that wait for storage, before a task waits too."""
METHOD = "imported"
"""What the published column `verified_by` says: the release called the row right, nothing here did."""
_RAW = pa.schema([("range", pa.int32()), ("problem", pa.string()), ("position", pa.string()), ("row", pa.string())])


class ImportRun(RunKind[Import]):
    """The kind of run that reads a released dataset. No stage: all of it is input."""

    recipe = Import

    def check(self, recipe: Import, store: Store) -> None:
        writing.check(_dialect(recipe))
        if ingest.load(store) is None:
            table.splits(recipe.rows)

    def read_inputs(self, run: Run, recipe: Import, mapper: Mapper) -> ingest.Inputs:
        splits = table.splits(recipe.rows)[: 1 if recipe.source.limit else None]
        count = max(1, -(-sum(file.size for file in {split.files[0] for split in splits}) // RANGE_BYTES))
        shuffled = list(mapper(partial(_shuffle, run.store, recipe, count), splits))
        done = list(mapper(partial(_import, run, recipe, [key for key, _ in shuffled]), range(count)))
        rejects = sum((Counter(one["rejects"]) for one in done), Counter[str]())
        rejects += sum((Counter(reasons) for _, reasons in shuffled), Counter[str]())
        samples = sum(one["samples"] for one in done)
        parts = sorted(entry.key for entry in run.store.list("inputs/Reject/"))
        inputs = ingest.Inputs(
            rows=samples + rejects.total(),
            problems=0,
            threads=0,
            samples=samples,
            rejects=dict(sorted(rejects.items())),
            parts=parts,
            duplicates={},
        )
        return ingest.save(run.store, inputs)

    def stages(self, recipe: Import) -> list[Stage]:
        return []

    def remaining(self, work: Any) -> int:
        return 0

    def card(self, run: Run, manifest: Manifest, stages: Sequence[FunnelStage]) -> dict[str, bytes]:
        files, teacher = card(manifest, run.recipe, stages), run.recipe["teacher"]
        words = f"""
## Imported

Read from `{run.recipe["source"]["path"]}` (layout `{run.recipe["layout"]}`). The solutions are those of the release;
tokens and masks are not: its messages were written with the tokenizer of `{teacher["model"]}` in the dialect
`{teacher["dialect"]}`. Nothing was judged again (`verified_by` is `{METHOD}`).
"""
        return {**files, "README.md": files["README.md"] + words.encode()}

    def funnel(self, inputs: ingest.Inputs, manifest: Manifest) -> list[FunnelStage]:
        report = manifest.report
        read = FunnelStage(
            name="read", unit="rows", rows_in=inputs.rows, rows_out=report.generated, rejects=inputs.rejects
        )
        dropped = {reason: n for reason, n in report.traces.items() if reason != PUBLISHED}
        rows = sum(shard.rows for shard in manifest.shards)
        return [
            read,
            FunnelStage(name="publish", unit="traces", rows_in=report.generated, rows_out=rows, rejects=dropped),
        ]


def _dialect(recipe: Import) -> Dialect:
    file = model_files.tokenizer_file(recipe.teacher.model, recipe.teacher.revision)
    return dialect(recipe.teacher.dialect, HfTokenizer(file))


def _shuffle(store: Store, recipe: Import, count: int, split: Split) -> tuple[str, dict[str, int]]:
    """Write the rows of one split sorted by the range of their problem; the file, and rejected rows by reason."""
    key = f"inputs/shuffled/{split.index:05d}.parquet"
    if store.exists(key):
        with store.parquet(key, store.size(key)) as file:
            return key, json.loads(file.schema_arrow.metadata[b"rejects"])
    found: list[tuple[int, str, str, str]] = []
    rejects: list[Reject] = []
    for number, item in enumerate(table.raw_rows(split, released.COLUMNS[recipe.layout], "trace")):
        if recipe.source.limit is not None and number >= recipe.source.limit:
            break
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        row, place = item
        try:
            if not isinstance(row, dict):
                raise RowError("unreadable_row", "a row is a list, not an object")
            problem = released.problem_id(row)
            found.append((hash_of(problem) * count >> 64, problem, place.position, as_json(row)))
        except RowError as error:
            rejects.append(_reject(place.position, error.reason, error.detail, as_json(row)))
    found.sort(key=lambda one: one[:3])
    if rejects:
        write_rows(store, f"inputs/Reject/{split.index:05d}-0000.parquet", Reject, rejects)
    reasons = dict(Counter(reject.reason for reject in rejects))
    schema = _RAW.with_metadata({"rejects": json.dumps(reasons)})
    with store.sink(key) as out, pq.ParquetWriter(pa.PythonFile(out, mode="w"), schema, compression="zstd") as writer:
        for _, rows in groupby(found, key=lambda one: one[0]):
            columns = list(zip(*rows, strict=True))
            writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
            )
    return key, reasons


def _reject(position: str, reason: str, detail: str, row: str) -> Reject:
    return Reject(id=position, kind="trace", stage="read", reason=reason, detail=detail, row=row, position=position)


def _import(run: Run, recipe: Import, keys: Sequence[str], number: int) -> dict[str, Any]:
    """Journal the traces and verdicts of one range of problems; what it came to."""
    marker = f"inputs/ranges/{number:05d}.json"
    if run.store.exists(marker):
        return dict(json.loads(run.store.read(marker)))
    reader, rejects, samples = _Reader(recipe, _dialect(recipe)), list[Reject](), 0
    journal = run.writer(f"import-{number:05d}", recipe.journal)
    rows = sorted(_rows_of(run.store, keys, number), key=lambda row: (row["problem"], row["position"]))
    for _, mine in groupby(rows, key=lambda row: row["problem"]):
        traces, refused = reader.problem(list(mine), journal)
        samples += traces
        rejects += refused
    journal.close()
    if rejects:
        write_rows(run.store, f"inputs/Reject/range-{number:05d}.parquet", Reject, rejects)
    done = {"samples": samples, "rejects": dict(Counter(reject.reason for reject in rejects))}
    run.store.write(marker, json.dumps(done).encode())
    return done


def _rows_of(store: Store, keys: Sequence[str], number: int) -> Iterator[dict[str, Any]]:
    """One range's rows of all shuffled files; the statistics of a row group say whether it holds any."""
    for key in keys:
        with store.parquet(key, store.size(key)) as file:
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).column(0).statistics.min == number:
                    yield from file.read_row_group(group).to_pylist()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the rows of one problem into journaled rows."""

    recipe: Import
    dialect: Dialect

    def problem(self, raw: list[dict[str, Any]], journal: JournalWriter) -> tuple[int, list[Reject]]:
        """How many traces were journaled, and the rows that are none."""
        traces: list[Trace] = []
        kept: list[ReleasedSample] = []
        rejects, seen, taken = list[Reject](), set[str](), set[SampleKey]()
        for row in raw:
            try:
                sample = self._read(row)
                trace = self._trace(sample, taken)
                words = as_json([asdict(message) for message in trace.messages])
                if words in seen:
                    raise RowError("duplicate", "the same conversation stands in another row")
                seen.add(words)
                taken.add(trace.key)
                traces.append(trace)
                kept.append(sample)
            except RowError as error:
                rejects.append(_reject(row["position"], error.reason, error.detail, row["row"]))
        rows: list[JournalRow] = [*traces, *_annotations(traces, kept)]
        rows += [_verdict(traces, kept)] if kept else []
        for journaled in rows:
            journal.append(journaled)
        if journal.held_bytes > HELD_BYTES:
            journal.flush()
        return len(traces), rejects

    def _read(self, row: dict[str, Any]) -> ReleasedSample:
        recipe = self.recipe
        values = json.loads(row["row"])
        return released.read(values, recipe.layout, row["position"], recipe.mode, recipe.source.license)

    def _trace(self, sample: ReleasedSample, taken: set[SampleKey]) -> Trace:
        """The sample as a trace. Its number is the row's own where that is free, else the next free one."""
        try:
            ids, mask, messages = writing.write(self.dialect, sample.messages, mode=sample.mode, tool=sample.tool)
        except CannotWrite as error:
            raise RowError("cannot_be_written", f"{error} ({self.dialect.name})") from None
        answer = extract_answer(self.dialect.parse(ids, mask).final_text)
        if answer is None:
            raise RowError("no_answer", "its last message states no answer")
        key = SampleKey(problem_id=sample.problem.id, mode=sample.mode, tool=sample.tool, sample=sample.sample or 0)
        while key in taken:
            key = replace(key, sample=key.sample + 1)
        origins = Counter(mask)
        return Trace(
            **{name: getattr(key, name) for name in ("problem_id", "mode", "tool", "sample")},
            uid=uid_of(key, ids),
            token_ids=ids,
            mask=mask,
            messages=messages,
            answer=answer,
            finish_reason="stop",
            n_prompt_tokens=origins[0],
            n_generated_tokens=origins[1],
            n_tool_tokens=origins[2],
            engine=f"import:{self.recipe.layout}",
            model=sample.model or self.recipe.written_by,
            dialect=self.dialect.name,
        )


def _verdict(traces: list[Trace], samples: list[ReleasedSample]) -> Verdict:
    """The problem as the first of its rows tells it. All samples are right: the release dropped the others."""
    first = samples[0]
    judgements = [
        Judgement(
            mode=trace.mode,
            tool=trace.tool,
            sample=trace.sample,
            uid=trace.uid,
            answer=trace.answer,
            equal=True,
            method=METHOD,
            n_generated_tokens=trace.n_generated_tokens,
        )
        for trace in traces
    ]
    told = next((sample.regimes for sample in samples if any(r.count for r in sample.regimes)), [])
    low = [regime for regime in told if regime.mode == Mode.LOW]
    passes = [True] * sum(r.passed for r in low) + [False] * sum(r.count - r.passed for r in low)
    return Verdict(
        problem=first.problem,
        reference=first.reference,
        original_reference=first.problem.answer,
        changed_to_majority=first.changed,
        votes={},
        regimes=told or regimes(judgements),
        judgements=judgements,
        difficulty=pass_rate(passes),
    )


def _annotations(traces: list[Trace], samples: list[ReleasedSample]) -> Iterator[Annotation]:
    for trace, sample in zip(traces, samples, strict=True):
        if sample.pass_rate is not None:
            yield Annotation(
                owner=trace.problem_id,
                uid=trace.uid,
                name=PASS_RATE,
                value=sample.pass_rate,
                model="Qwen/Qwen2.5-Math-72B-Instruct",
            )
