"""Publishing: one row per key, every other trace counted, the same bytes every time, and files that readers open."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import datasets
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory.arrow import from_table
from factory.errors import FactoryError
from factory.recipe import Publish
from factory.records import Attribution, CuratedThread, Mode, Problem, Reject, Trace, Verdict
from factory.store.local import LocalStore
from factory.store.manifest import latest, load
from factory.store.partition import PartitionTask, publish_partition
from factory.store.plan import make_plan
from factory.store.publish import publish
from factory.store.reader import READ_AHEAD
from factory.store.report import PublishReport
from factory.store.run import Run
from factory.store.shape import bucket_of, row_groups
from factory.store.tables import read_table
from factory.verify.difficulty import regimes
from factory.views.evidence import EVIDENCE
from factory.views.nemotron import REGIMES, SCHEMA, NemotronMath
from tests.store.rows import problem, reject, trace, verdict
from tests.store.test_run import recipe

SETTINGS = Publish(buckets=(128, 256, 512), shard_mb=1)
VIEW = NemotronMath()
ANSWERS = ["7", "8", None, "7"]  # of a problem's four samples: right, wrong, none, right


def samples(name: str, n: int = 4) -> list[Trace]:
    return [
        trace(name, mode, tool, s, answer=ANSWERS[s % 4], n_tokens=100 * (s % 4 + 1) + len(name), salt=hash_salt(name))
        for mode in Mode
        for tool in (True, False)
        for s in range(n)
    ]


def hash_salt(name: str) -> int:
    return sum(name.encode())


def journal(run: Run, rows: list, worker: str = "w1") -> None:
    writer = run.writer(worker, recipe().journal)
    for row in rows:
        writer.append(row)
    writer.close()


def a_run(place: Path | str, problems: int = 30) -> Run:
    """Of every ten problems one was rejected, one is unfinished, eight have a verdict."""
    run = Run.open(str(place), recipe())
    rows: list = []
    for n in range(problems):
        of, mine = problem(f"p{n}", "forum" if n % 2 else "contest"), samples(f"p{n}")
        rows += mine
        if n % 10 == 1:
            rows.append(reject(of))
        elif n % 10 != 2:
            rows.append(verdict(of, mine))
    rows.append(reject(problem("t1"), "no_problem", "curate", "thread"))
    journal(run, rows)
    return run


def tree(run: Run) -> dict[str, str]:
    return {e.key: hashlib.sha256(run.store.read(e.key)).hexdigest() for e in run.store.list("dataset/mode=")}


def table(run: Run, **only: str):
    return pq.ParquetDataset(load(run.uri, **only), partitioning=None).read()


def test_each_trace_is_published_or_counted_with_its_reason(tmp_path):
    run = a_run(tmp_path)
    report = publish(run, SETTINGS, VIEW).report
    assert report.problems == {
        "verdict": 24,
        "problem/solve/too_easy": 3,
        "unfinished": 3,
        "thread/curate/no_problem": 1,
    }
    assert report.traces == {
        "published": 24 * 12,
        "wrong_answer": 24 * 6,
        "no_answer": 24 * 6,
        "problem_too_easy": 3 * 24,
        "unfinished": 3 * 24,
    }
    assert report.generated == 30 * 24 == sum(report.traces.values())
    assert report.lost == 0
    assert report.by("trace", 0, 1, 4)[("high", "python", "published")] == 48
    assert sum(report.by("trace", 2, 4)[(source, "published")] for source in ("forum", "contest")) == 24 * 12
    assert report.table("license") == {("CC BY-SA 4.0",): 24 * 12}
    assert report.table("pass_rate")[(("reason_low_no_tool"), "2/4")] == 24
    rows = table(run).select(["problem_id", "reasoning_mode", "with_tool", "sample", "predicted_answer"]).to_pylist()
    assert len(rows) == report.published
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    assert {row["predicted_answer"] for row in rows} == {"7"}


def test_every_row_that_left_is_a_row_among_the_rejects(tmp_path):
    run = a_run(tmp_path)
    manifest = publish(run, SETTINGS, VIEW)
    rows = [r for file in manifest.rejects for r in from_table(Reject, read_table(run.store, file.key))]
    assert len(rows) == sum(file.rows for file in manifest.rejects)
    counted = Counter((row.kind, row.reason) for row in rows)
    assert {reason: n for (kind, reason), n in counted.items() if kind == "trace"} == {
        reason: n for reason, n in manifest.report.traces.items() if reason != "published"
    }
    assert counted["problem", "too_easy"] == 3
    assert counted["thread", "no_problem"] == 1
    assert len({(row.kind, row.id) for row in rows}) == len(rows)
    wrong = next(row for row in rows if row.reason == "wrong_answer")
    assert "reference '7'" in wrong.detail


def test_a_row_has_the_released_fields_and_its_provenance(tmp_path):
    run = a_run(tmp_path)
    publish(run, SETTINGS, VIEW)
    row = next(
        r for r in table(run, mode="high", tool="python").to_pylist() if r["problem_id"] == "p0" and r["sample"] == 3
    )
    original = next(t for t in samples("p0") if (t.mode, t.tool, t.sample) == (Mode.HIGH, True, 3))
    assert row["problem"] == "What is twice p0?"
    assert (row["expected_answer"], row["original_expected_answer"], row["changed_answer_to_majority"]) == (
        "7",
        "7",
        False,
    )
    assert (row["data_source"], row["license"], row["user_name"]) == ("contest", "CC BY-SA 4.0", "ann")
    assert [m["role"] for m in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert [t["function"]["name"] for t in row["tools"]] == ["stateful_python_code_exec"]
    assert sorted(row["metadata"]) == sorted(REGIMES)
    assert row["metadata"]["reason_low_no_tool"] == {"count": 4, "pass": 2, "accuracy": 0.5}
    assert (row["token_ids"], row["mask"], row["uid"]) == (original.token_ids, original.mask, original.uid)
    assert row["n_tokens"] == len(original.token_ids)
    assert row["tool_call_records"][0]["code"] == "print(7)"
    assert row["recipe_fingerprint"] == run.fingerprint
    assert len(row["uuid"]) == 36
    plain = table(run, mode="low", tool="none").to_pylist()[0]
    assert plain["tools"] == []
    assert [m["role"] for m in plain["messages"]] == ["user", "assistant"]


def test_a_row_says_what_the_vote_said_and_what_became_of_the_answer(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    for name, original, position in (
        ("kept", "7", "a.csv:1"),
        ("filled", None, ""),
        ("replaced", "9", "s3://b/r#v3:x"),
    ):
        mine, of = samples(name), replace(problem(name), answer=original, position=position)
        journal(run, [*mine, _voted(verdict(replace(of, answer="7"), mine), of, changed=original != "7")], name)
    manifest = publish(run, SETTINGS, VIEW)
    rows = {row["problem_id"]: row for row in table(run).to_pylist()}
    assert {name: row["reference_change"] for name, row in rows.items()} == {name: name for name in rows}
    assert manifest.report.table("reference") == {("forum", name): 1 for name in rows}
    row = rows["replaced"]
    assert (row["original_expected_answer"], row["expected_answer"]) == ("9", "7")
    assert row["votes"] == [{"answer": "7", "count": 4}, {"answer": "8", "count": 2}]
    assert (row["vote_share"], row["reference_votes"]) == (4 / 6, 4)
    assert (row["source_run"], row["source_version"]) == ("s3://b/r", 3)
    assert (rows["kept"]["source_run"], rows["kept"]["source_version"]) == (None, None)
    high = {"mode": "high", "with_tool": True, "count": 3, "passed": 2, "undecided": 1}
    assert next(r for r in row["regimes"] if r["mode"] == "high" and r["with_tool"]) == high
    assert len(row["regimes"]) == 6
    assert sum(r["count"] for r in row["metadata"].values()) == sum(r["count"] for r in row["regimes"])


def _voted(verdict: Verdict, of: Problem, *, changed: bool) -> Verdict:
    """High-mode samples have voted; one of them could not be judged."""
    judgements = [
        replace(j, majority=j.answer == "7" if j.mode == Mode.HIGH and j.answer else None) for j in verdict.judgements
    ]
    lost = next(n for n, j in enumerate(judgements) if j.mode == Mode.HIGH and j.tool and j.equal is False)
    judgements[lost] = replace(judgements[lost], equal=None)
    return replace(
        verdict,
        problem=of,
        original_reference=of.answer,
        changed_to_majority=changed,
        votes={"7": 4, "8": 2},
        regimes=regimes(judgements),
        judgements=judgements,
    )


def test_a_run_of_the_first_row_version_keeps_its_columns(tmp_path):
    run = a_run(tmp_path / "new", 3)
    old = replace(run, manifest={k: v for k, v in run.manifest.items() if k != "row_version"})
    assert (old.row_version, run.row_version) == (1, 2)
    first = publish(old, SETTINGS, VIEW)
    assert table(run).schema.equals(SCHEMA)
    assert "row_version" not in json.loads(first.to_bytes())
    assert first.report.table("reference") == {}
    second = publish(run, SETTINGS, VIEW)
    assert (second.version, second.row_version) == (2, 2)
    assert table(run).column_names == [*SCHEMA.names, *(field.name for field in EVIDENCE)]
    assert publish(run, SETTINGS, VIEW).version == 2


def test_publishing_again_changes_nothing_and_any_split_of_the_work_gives_the_same_rows(tmp_path):
    run = a_run(tmp_path / "a")
    first = publish(run, SETTINGS, VIEW)
    before = tree(run)
    assert publish(run, SETTINGS, VIEW).version == first.version
    assert tree(run) == before
    for key in before:
        run.store.delete(key)
    again = publish(run, SETTINGS, VIEW)
    assert again.version == first.version + 1
    assert tree(run) == before
    assert list(run.store.list("publish/")) == []
    rows = table(run).to_pylist()
    other = a_run(tmp_path / "b")
    publish(other, SETTINGS, VIEW, partition_bytes=300_000)
    assert table(other).to_pylist() == rows


def test_the_manifest_names_every_file_with_its_checksum(tmp_path):
    run = a_run(tmp_path)
    manifest = publish(run, SETTINGS, VIEW)
    assert {shard.key: shard.sha256 for shard in manifest.shards} == tree(run)
    for shard in manifest.shards:
        data = run.store.read(shard.key)
        assert len(data) == shard.bytes
        metadata = pq.read_metadata(run.store.url(shard.key))
        assert metadata.num_rows == shard.rows
        assert metadata.row_group(0).column(0).compression == "ZSTD"
        assert f"mode={shard.mode}/tool={shard.tool}/part-{shard.bucket}-" in shard.key
    assert latest(run.store) == manifest
    assert PublishReport.from_json(json.loads(json.dumps(manifest.report.to_json()))) == manifest.report


def test_problems_lie_together_and_buckets_apart(tmp_path):
    run = a_run(tmp_path)
    publish(run, SETTINGS, VIEW, partition_bytes=300_000)
    seen: Counter = Counter()
    for path in load(run.uri, mode="high", tool="none"):
        part = pq.ParquetFile(path).read()
        label = Path(path).name.split("-")[1]
        assert {bucket_of(n, SETTINGS.buckets) for n in part["n_tokens"].to_pylist()} == {label}
        owners = part["problem_id"].to_pylist()
        runs = [owner for i, owner in enumerate(owners) if i == 0 or owners[i - 1] != owner]
        assert len(runs) == len(set(runs))
        seen.update((owner, label) for owner in set(owners))
    assert set(seen.values()) == {1}  # not even split over two files


def test_shards_keep_to_their_size(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    rng = random.Random(0)
    for n in range(24):
        of = problem(f"p{n}")
        tokens = [rng.randrange(200_000) for _ in range(60_000)]
        long = replace(trace(of.id), token_ids=tokens, mask=[1] * len(tokens))
        mine = [long, trace(of.id, sample=1)]
        journal(run, [*mine, verdict(of, mine)], f"w{n}")
    manifest = publish(run, Publish(shard_mb=1, buckets=(1024, 131_072)), VIEW, partition_bytes=1_000_000)
    big = [shard for shard in manifest.shards if shard.bucket == "128k"]
    assert len(big) > 1
    assert max(shard.bytes for shard in big) <= 1_000_000
    assert sum(shard.rows for shard in big) == 24
    assert [shard.rows for shard in manifest.shards if shard.bucket == "1k"] == [24]


@pytest.mark.parametrize(
    ("n", "label"), [(1, "16k"), (16_384, "16k"), (16_385, "32k"), (131_072, "128k"), (131_073, "over-128k")]
)
def test_bucket_edges_belong_to_the_bucket_below(n, label):
    assert bucket_of(n, Publish().buckets) == label
    assert bucket_of(n, sorted(Publish().buckets, reverse=True)) == label


def test_row_groups_end_between_problems():
    owners = ["a"] * 1500 + ["b"] * 1500 + ["c"] * 10
    assert list(row_groups(owners, [1] * len(owners))) == [(0, 3000), (3000, 10)]
    assert list(row_groups(["a", "a", "b"], [1 << 30] * 3)) == [(0, 2), (2, 1)]
    assert list(row_groups([], [])) == []


def test_what_the_journal_holds_twice_is_published_once(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    of, mine = problem("p1"), samples("p1")
    redrawn = [trace(t.problem_id, t.mode, t.tool, t.sample, answer=t.answer, salt=99) for t in mine]
    journal(run, [*mine, verdict(of, mine)], "a")
    journal(run, [*mine, verdict(of, mine)], "b")  # a zombie flushed the same rows again
    journal(run, [*redrawn, verdict(of, redrawn)], "c")  # and another worker drew them again
    report = publish(run, SETTINGS, VIEW).report
    assert report.problems == {"verdict": 1}
    assert report.traces == {"published": 12, "wrong_answer": 6, "no_answer": 6, "replaced": 24}
    assert report.cells[("copy",)] == 24
    uids = set(table(run)["uid"].to_pylist())
    assert uids <= {t.uid for t in mine} or uids <= {t.uid for t in redrawn}


def test_the_choice_between_two_verdicts_depends_on_the_rows_alone(tmp_path):
    of, first = problem("p1"), samples("p1")
    second = [trace(t.problem_id, t.mode, t.tool, t.sample, answer=t.answer, salt=99) for t in first]
    published = []
    for place, order in (("a", (first, second)), ("b", (second, first))):
        run = Run.open(str(tmp_path / place), recipe())
        for worker, mine in enumerate(order):
            journal(run, [*mine, verdict(of, mine)], f"w{worker}")
        journal(run, [reject(of)], "w3")  # a verdict counts before a reject
        publish(run, SETTINGS, VIEW)
        published.append(tree(run))
    assert published[0] == published[1]


def test_a_judged_trace_that_the_journal_lacks_is_reported(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    mine = samples("p1")
    journal(run, [*mine[1:], verdict(problem("p1"), mine)])
    report = publish(run, SETTINGS, VIEW).report
    assert report.lost == 1
    assert report.published == 11


def test_undecided_samples_are_not_published(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    mine = samples("p1")
    journal(run, [*mine, verdict(problem("p1"), mine, undecided=(mine[0].uid,))])
    traces = publish(run, SETTINGS, VIEW).report.traces
    assert traces == {
        "published": 11,
        "wrong_answer": 6,
        "no_answer": 6,
        "undecided": 1,
    }


def test_an_empty_journal_publishes_an_empty_version(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    with pytest.raises(FactoryError, match="nothing is published"):
        load(run.uri)
    manifest = publish(run, SETTINGS, VIEW)
    assert manifest.shards == []
    assert load(run.uri) == []


def test_a_new_version_replaces_the_former_files_and_the_card(tmp_path):
    run = a_run(tmp_path)
    card = lambda m: {"README.md": f"{m.report.published} rows".encode()}  # noqa: E731
    publish(run, SETTINGS, VIEW, card=card)
    mine = samples("late")
    journal(run, [*mine, verdict(problem("late"), mine)], "w2")
    manifest = publish(run, SETTINGS, VIEW, card=card)
    assert manifest.version == 2
    assert set(tree(run)) == {shard.key for shard in manifest.shards}
    assert run.store.read("dataset/README.md") == b"300 rows"
    assert table(run).num_rows == 300


def test_readers_open_the_dataset(tmp_path):
    run = a_run(tmp_path)
    published = publish(run, SETTINGS, VIEW).report.published
    files = load(run.uri)
    pattern = f"{run.uri}/dataset/**/*.parquet"
    hub = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert hub.num_rows == published
    assert hub[0]["messages"][0]["role"] == "user"
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{pattern}')").fetchall() == [(published,)]
    by_directory = duckdb.sql(f"SELECT mode, tool, count(*) FROM read_parquet('{pattern}') GROUP BY ALL").fetchall()
    assert len(by_directory) == 6
    frame = pl.scan_parquet(files).select("problem", "metadata", "token_ids").collect()
    assert frame.height == published
    assert pl.scan_parquet(pattern).select(pl.len()).collect().item() == published
    assert pq.read_table(f"{run.uri}/dataset").num_rows == published


KILLED = """
import sys
from factory.store import publish as module, shards, partition
from factory.store.run import Run
from tests.store.test_publish import SETTINGS, VIEW

def slowly(function, tasks):
    for n, task in enumerate(tasks):
        print(function.__name__, n, flush=True)
        yield function(task)

module.publish(Run.attach(sys.argv[1]), SETTINGS, VIEW, mapper=slowly, partition_bytes=300_000)
"""


def test_publishing_survives_kills(tmp_path):
    undisturbed = a_run(tmp_path / "a")
    publish(undisturbed, SETTINGS, VIEW, partition_bytes=300_000)
    run = a_run(tmp_path / "b")
    root = Path(__file__).parents[2]
    for kill_at in (b"publish_partition 2\n", b"write_shard 1\n", b"write_shard 7\n"):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, run.uri],
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert child.stdout is not None
        assert kill_at in iter(child.stdout.readline, b"")
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert latest(run.store) is None
    publish(run, SETTINGS, VIEW, partition_bytes=300_000)
    assert table(run).to_pylist() == table(undisturbed).to_pylist()
    assert {entry.key for entry in run.store.list("dataset/mode=")} == set(tree(run))


def test_problems_of_threads_add_up_although_two_workers_disagree(tmp_path):
    """Two workers curated thread t: one kept the first problem and rejected the second, the other did it the other way
    round and found a third. Every problem counts once, and as it ended."""
    run = Run.open(str(tmp_path), recipe())
    one, two, three = (problem(f"t/{n}") for n in (1, 2, 3))
    mine = samples("t/3")
    journal(
        run, [reject(two, "proof", "curate"), CuratedThread(thread_id="t", source="forum", problems=[one], n_found=2)]
    )
    other = [
        reject(one, "invalid", "curate"),
        CuratedThread(thread_id="t", source="forum", problems=[two, three], n_found=3),
    ]
    journal(run, [*other, reject(problem("t"), "no_problem", "curate", "thread")], "zombie")
    journal(run, [*mine, verdict(three, mine), reject(problem("u"), "no_problem", "curate", "thread")], "w3")
    for partition_bytes in (1 << 30, 2000):
        manifest = publish(run, SETTINGS, VIEW, partition_bytes=partition_bytes)
        assert manifest.report.curated == {"threads": 1, "found": 3, "passed": 1}
        assert manifest.report.problems == {
            "verdict": 1,
            "problem/curate/proof": 1,
            "problem/curate/invalid": 1,
            "thread/curate/no_problem": 1,  # of u: t states problems, whatever the second worker said of it
        }


def test_who_wrote_the_replies_goes_with_the_row_and_is_counted_by_licence(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    helpers = [Attribution(license="MIT", user_name="bob"), Attribution(user_name="eve"), problem("q").attribution]
    of = replace(problem("p"), contributors=helpers)
    mine = samples("p")
    journal(run, [*mine, verdict(of, mine)])
    manifest = publish(run, SETTINGS, VIEW)
    n = manifest.report.published
    assert n
    assert manifest.report.table("license") == {("CC BY-SA 4.0",): n}
    assert manifest.report.table("license_of_replies") == {("MIT",): n, ("unknown",): n}
    for path in load(str(tmp_path)):
        for contributors in pq.read_table(path)["contributors"].to_pylist():
            assert [Attribution(**each) for each in contributors] == helpers


def test_a_partition_reads_parts_ahead_and_asks_for_no_sizes(tmp_path, monkeypatch):
    """A big journal is many small parts, each an answer of storage to wait for: waiting one by one would take days."""
    run = Run.open(str(tmp_path), recipe())
    for n in range(40):
        mine = samples(f"p{n}")
        journal(run, [*mine, verdict(problem(f"p{n}"), mine)])
    reading, most, sized = set(), 0, []
    read, size = LocalStore.read, LocalStore.size

    def slow(store, key, start=0, length=None):
        nonlocal most
        reading.add(me := threading.get_ident())
        most = max(most, len(reading))
        time.sleep(0.01)
        reading.discard(me)
        return read(store, key, start, length)

    def counted(store, key):
        sized.append(key)
        return size(store, key)

    plan, (partition,) = make_plan(run, SETTINGS, VIEW, 1 << 40)
    monkeypatch.setattr(LocalStore, "read", slow)
    monkeypatch.setattr(LocalStore, "size", counted)
    publish_partition(PartitionTask(run.store, plan, partition))
    assert 2 < most <= READ_AHEAD
    assert not [key for key in sized if key.startswith("journal/")]


def test_a_view_of_your_own_is_another_version(tmp_path):
    """The same journal in another form: its own columns, its own version, and the first form comes back as it was."""
    run = a_run(tmp_path, 5)
    first = publish(run, SETTINGS, VIEW)
    before = tree(run)
    other = publish(run, SETTINGS, Questions())
    assert (other.version, other.report) == (2, first.report)
    assert set(table(run).column_names) == {"question", "uid"}
    assert publish(run, SETTINGS, VIEW).version == 3
    assert tree(run) == before


class Questions:
    """A view of two columns."""

    identity = "questions"
    repetitive = ("question",)
    schema = pa.schema([("question", pa.string()), ("uid", pa.string())])

    def extended(self, annotations, *, keyed, row_version):
        return self

    def rows(self, traces, verdicts, judged, annotations, fingerprint):
        return pa.table([[v.problem.text for v in verdicts], traces["uid"]], schema=self.schema)
