"""One reader for all: whatever the journal holds twice, in contradiction or damaged, every command counts the same."""

from __future__ import annotations

import dataclasses
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory.arrow import from_table
from factory.inspection import disagreement, hand_check
from factory.records import Annotation, CuratedThread, FinishedTurn, Mode, ModelReply, Reject, Trace, Verdict
from factory.report import figures
from factory.report.status import status
from factory.store.counts import RejectReason
from factory.store.journal import JournalWriter
from factory.store.kinds import KINDS, owner_of
from factory.store.outcome import WITHDRAWN
from factory.store.parts import encode_part, encode_row
from factory.store.publish import publish
from factory.store.row_kind import OWNER
from factory.store.run import Run
from tests.store.rows import problem, reject, trace, verdict
from tests.store.test_publish import SETTINGS, VIEW, journal
from tests.store.test_run import recipe


def drawn(name: str, salt: int = 0) -> list[Trace]:
    return [trace(name, mode, sample=n, answer="7" if n else "8", salt=salt) for mode in Mode for n in range(2)]


@pytest.fixture
def run(tmp_path) -> Run:
    """What two workers leave who finish the same rows: every kind of ending twice, alike and otherwise."""
    run = Run.open(str(tmp_path), recipe())
    plain, twice, both, gone = (problem(name) for name in ("plain", "twice", "both", "gone"))
    other = drawn("twice", salt=1)[:3]
    first = [row for of in (plain, twice, both, gone) for row in (*drawn(of.id), verdict(of, drawn(of.id)))]
    first += [reject(both), reject(problem("left")), reject(problem("left"), "unsolved")]
    first += [reject(problem("t/2"), "proof", "curate"), reject(problem("t"), "no_problem", "curate", "thread")]
    first += [CuratedThread(thread_id="t", source="forum", problems=[problem("t/1")], n_found=2)]
    journal(run, first, "one")
    second = [*other, verdict(twice, other), verdict(plain, drawn("plain")), reject(problem("left"), "too_easy")]
    second += [CuratedThread(thread_id="t", source="forum", problems=[problem("t/1"), problem("t/3")], n_found=3)]
    journal(run, second, "two")
    journal(run, [reject(gone, "contaminated", WITHDRAWN)], "withdraw")
    foreign = JournalWriter(run.store, "stranger", part_mb=1, part_age_s=1, fingerprint="of another recipe")
    foreign.append(verdict(problem("foreign"), drawn("foreign")))
    foreign.close()
    return run


def test_all_commands_count_the_same(run):
    now, reader, manifest = status(run.uri), run.reader(), publish(run, SETTINGS, VIEW)
    verdicts, rejects = figures.of_verdicts(reader), figures.of_rejects(reader)
    problems = manifest.report.problems
    assert now.verdicts == verdicts.problems == problems.pop("verdict") == 3
    problems.pop("unfinished", None)
    assert {str(why): n for why, n in rejects.reasons.items()} == problems
    assert reader.count_rejects() == rejects.reasons
    assert now.rejects == {f"{why.stage}/{why.reason}": n for why, n in rejects.reasons.items()}
    assert rejects.reasons == {
        RejectReason("problem", "solve", "too_easy"): 1,
        RejectReason("problem", "curate", "proof"): 1,
        RejectReason("problem", WITHDRAWN, "contaminated"): 1,
    }
    threads = figures.of_threads(reader)
    assert dict(threads) == manifest.report.curated == {"threads": 1, "found": 3, "passed": 2}
    assert figures.right_samples(reader) == verdicts.right == manifest.report.published
    judged = sum(verdicts.methods.values())
    assert disagreement.of_run(run.uri).total == judged
    assert sum({row["stratum"]: int(row["stratum_size"]) for row in hand_check.draw(run.uri)}.values()) == judged
    copies = sum(n for (_,), n in manifest.report.by("copy").items()) if manifest.report.table("copy") else 0
    assert sum(now.samples.values()) == figures.of_traces(reader).rows == manifest.report.generated + copies


def test_which_of_two_endings_counts_does_not_depend_on_their_order(run, tmp_path):
    def counted(place: Run) -> dict[str, Verdict]:
        tables = place.reader().counted(Verdict)
        return {v.problem.id: v for _, _, table in tables for v in from_table(Verdict, table)}

    rows = {
        kind: [row for _, _, t in run.reader().tables(kind) for row in from_table(kind, t)]
        for kind in (Verdict, Reject)
    }
    for number, order in enumerate(itertools.permutations(rows)):
        other = Run.open(str(tmp_path / str(number)), recipe())
        for kind in order:
            for worker, row in enumerate(reversed(rows[kind])):
                journal(other, [row], f"w{worker}")
        assert counted(other) == counted(run)
        assert other.reader().count_rejects()["problem", "solve", "too_easy"] == 1
        assert other.reader().withdrawn == {"gone"}


def test_a_damaged_row_group_is_left_out_and_counted(run, caplog):
    part = run.reader().parts(Trace)[0].entry
    data = bytearray(run.store.read(part.key))
    data[8:200] = b"\xff" * 192
    run.store.write(part.key, bytes(data))
    assert sum(table.num_rows for _, _, table in run.reader().tables(Trace)) == 3  # the other worker's
    assert "skipping a row group" in caplog.text
    manifest = publish(run, SETTINGS, VIEW)
    assert manifest.report.damaged == 1
    assert manifest.report.lost > 0


ROWS = {
    FinishedTurn: FinishedTurn(problem_id="p", mode=Mode.LOW, tool=False, sample=0, turn=0, token_ids=[1], mask=[0]),
    ModelReply: ModelReply(owner="p", key="judge/1", text="yes"),
    Trace: trace("p"),
    Annotation: Annotation(owner="p", uid="u", name="reward", value=0.5),
    Verdict: verdict(problem("p"), [trace("p")]),
    Reject: dataclasses.replace(reject(problem("p", "forum")), source="forum"),
    CuratedThread: CuratedThread(thread_id="t", source="forum", problems=[problem("t/1")], n_found=1),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_parts_without_the_younger_columns_are_read_as_if_they_had_them(tmp_path, kind):
    run = Run.open(str(tmp_path), recipe())
    row = ROWS[kind]
    whole = pq.ParquetFile(pa.BufferReader(encode_part(kind, [encode_row(row)], run.fingerprint)))
    young = [name for name in KINDS[kind].derived if name in whole.schema_arrow.names]
    old = whole.read().drop_columns(young)
    sink = pa.BufferOutputStream()
    pq.write_table(old.replace_schema_metadata(whole.metadata.metadata), sink)
    run.store.write(f"{KINDS[kind].directory}20260101T000000.000000Z-w-000001-a.parquet", sink.getvalue().to_pybytes())
    reader = run.reader()
    ((_, _, table),) = reader.tables(kind)
    assert table.schema.equals(KINDS[kind].schema)
    assert table[OWNER].to_pylist() == [owner_of(row)]
    assert from_table(kind, table) == list(reader.rows(kind, owner_of(row))) == [row]
    if kind is Reject:
        ((_, _, sources),) = reader.tables(Reject, ["source"])
        assert sources.to_pydict() == {"source": ["forum"]}
