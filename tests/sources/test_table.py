"""Tables: every input row comes out once, as a problem or as a reject that names file and place."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from factory.arrow import from_table, to_table
from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Problem, Reject
from factory.sources import json_list, read, splits, table
from factory.sources.content import disguise


def rows(path, **keys):
    source = Source(path=str(path), **keys)
    found = [row for split in splits(source) for row in read(pickle.loads(pickle.dumps(split)))]
    for kind in (Problem, Reject):
        of_kind = [row for row in found if isinstance(row, kind)]
        assert from_table(kind, to_table(kind, of_kind)) == of_kind, "every row must fit its Arrow schema"
    return found


def write(path, *lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def reasons(found):
    return [row.reason if isinstance(row, Reject) else "ok" for row in found]


def test_each_bad_line_is_one_reject_and_its_neighbours_are_kept(tmp_path):
    good = {"id": "a", "problem": "1+1?", "answer": 2, "source": "s"}
    path = write(
        tmp_path / "t.jsonl",
        good,
        b'{"id": "b", "problem": ',
        b'{"id": "c", "problem": "caf\xe9"}',
        [1, 2],
        {"id": "d"},
        {"id": "e", "problem": "  \n"},
        {"id": "f", "problem": "x", "answer": True},
        {"id": "g", "problem": "x", "answer": ["1"]},
        b"",
        b'{"id": "h", "problem": "\\ud800 lone"}',
        {"id": ["i"], "problem": "x"},
        {"id": "j", "problem": ["x"]},
        b'{"id": "k", "problem": ' + b"[" * 100_000 + b"}",
        b'{"id": "l", "problem": "x", "answer": ' + b"9" * 5000 + b"}",
        {**good, "id": "z"},
    )
    found = rows(path)
    unreadable, missing, bad = "unreadable_row", "missing_problem", "bad_answer"
    expected = ["ok", unreadable, unreadable, unreadable, missing, missing, bad, "ok", unreadable, "bad_id", missing]
    assert reasons(found) == [*expected, unreadable, unreadable, "ok"]
    assert [row.id for row in found if isinstance(row, Problem)] == ["a", "g", "z"]
    for row in found:
        assert row.position.startswith(f"{path}:")
        if isinstance(row, Reject):
            assert (row.kind, row.stage) == ("problem", "read")
            assert row.detail
            json.loads(row.row)
    assert found[1].position == f"{path}:2"
    assert found[4].id == "d"
    assert json.loads(found[4].row) == {"id": "d"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("27", "27"),
        (27, "27"),
        (27.0, "27"),
        (0.5, "0.5"),
        (10**30, str(10**30)),
        (None, None),
        ("", None),
        (" \t", None),
        (float("nan"), None),
        (" 3 ", "3"),
        (1e-7, "0.0000001"),
        (["5"], "5"),
        ([3, 4.0, "x"], "3, 4, x"),
        ([], None),
        ('["6"]', "6"),
        ('["3", "4"]', "3, 4"),
        ("['3', '4']", "3, 4"),
        ('["\\frac{1}{2}"]', "\\frac{1}{2}"),
        ("[0, 1]", "[0, 1]"),
        ("[a, b]", "[a, b]"),
        ("Proof", None),
        ("n/a", None),
    ],
)
def test_answers_become_text(tmp_path, value, text):
    (found,) = rows(write(tmp_path / "t.jsonl", {"id": "a", "problem": "x", "answer": value}))
    assert found.answer == text


def test_an_infinite_answer_is_a_bad_one(tmp_path):
    assert reasons(rows(write(tmp_path / "t.jsonl", b'{"problem": "x", "answer": Infinity}'))) == ["bad_answer"]


def test_line_ends_bom_and_a_missing_last_newline_do_not_matter(tmp_path):
    lines = [json.dumps({"id": str(n), "problem": f"p{n}"}).encode() for n in range(3)]
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    assert [(row.id, row.text) for row in rows(path)] == [(str(n), f"p{n}") for n in range(3)]


def test_an_empty_file_has_no_rows(tmp_path):
    for name in ("t.jsonl", "t.csv", "t.json"):
        assert rows(write(tmp_path / name)) == []


def test_rows_without_an_id_get_one_that_no_cut_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "t.jsonl", *({"problem": f"p{n}" * (n % 7 + 1)} for n in range(50)))
    whole = rows(path)
    assert len({row.id for row in whole}) == 50
    assert all(row.id.startswith("t:") for row in whole)
    monkeypatch.setattr(table, "SPLIT_BYTES", 100)
    assert len(splits(Source(path=str(path)))) > 5
    assert [(r.id, r.text) for r in rows(path)] == [(r.id, r.text) for r in whole]


def test_equal_names_in_two_folders_do_not_share_ids(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "train.jsonl", {"problem": "x"})
    found = rows(tmp_path)
    assert [row.id for row in found] == ["a/train:0", "b/train:0"]
    assert {row.source for row in found} == {"train"}


def test_an_oversized_row_is_one_reject_and_the_rest_goes_on(tmp_path):
    for name in ("t.jsonl", "t.csv"):
        big = b'"' + b"x" * (3 << 20) + b'"'
        lines = (b'{"id":"a","problem":"p"}', b'{"problem":' + big + b"}", b'{"id":"z","problem":"p"}')
        if name == "t.csv":
            lines = (b"id,problem", b"a,p", b"b," + big, b"z,p")
        found = rows(write(tmp_path / name, *lines), max_row_mb=1)
        assert reasons(found) == ["ok", "oversized_row", "ok"]
        assert [found[0].id, found[2].id] == ["a", "z"]
        assert len(found[1].row) < 20_000


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd.compress)]
)
def test_compressed_files_and_their_damage(tmp_path, suffix, compress):
    noise = random.Random(0)
    lines = [json.dumps({"id": str(n), "problem": noise.randbytes(500).hex()}).encode() for n in range(2000)]
    data = compress(b"\n".join(lines))
    path = tmp_path / f"t.jsonl{suffix}"
    path.write_bytes(data)
    assert [row.id for row in rows(path)] == [str(n) for n in range(2000)]
    path.write_bytes(data[: len(data) * 3 // 4])
    *before, last = rows(path)
    assert last.reason == "truncated_file"
    assert str(path) in last.position
    kept = [row.id for row in before if isinstance(row, Problem)]
    assert kept == [str(n) for n in range(len(kept))]
    assert len(kept) > 200
    path.write_bytes(b"this is not compressed at all")
    assert reasons(rows(path)) == ["unreadable_file"]


def test_csv_with_quotes_newlines_and_bad_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,problem,answer\r\n"
        b'a,"x, ""y""\r\nz",1\r\nb,short\r\n\r\nc,caf\xe9,2\r\nd,"x"y,3\r\ne,\xc3\xa9,4\r\n'
        b'f,"never closed,5\r\n'
    )
    found = rows(path)
    assert reasons(found) == ["ok", "unreadable_row", "unreadable_row", "unreadable_row", "ok", "unreadable_row"]
    assert (found[0].text, found[0].answer) == ('x, "y"\nz', "1")
    assert found[4].text == "é"
    assert [row.position for row in found] == [f"{path}:{n}" for n in (2, 4, 6, 7, 8, 9)]


def test_tsv(tmp_path):
    (tmp_path / "t.tsv").write_text("id\tproblem\na\tx, y\n")
    assert rows(tmp_path / "t.tsv")[0].text == "x, y"


def test_parquet_by_row_groups_with_mapped_and_nested_columns(tmp_path, monkeypatch):
    values = [
        {"uid": n, "question": {"title": f"t{n}", "body": f"b{n}" if n % 3 else None}, "gold": n / 2} for n in range(20)
    ]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(values), path, row_group_size=4)
    monkeypatch.setattr(table, "SPLIT_BYTES", 1)
    columns = {"id": "uid", "problem": ["question.title", "question.body"], "answer": "gold"}
    assert len(splits(Source(path=str(path), columns=columns))) == 5
    found = rows(path, columns=columns)
    assert [row.id for row in found] == [str(n) for n in range(20)]
    assert [row.text for row in found][:2] == ["t0", "t1\n\nb1"]
    assert [row.answer for row in found][:3] == ["0", "0.5", "1"]
    assert found[7].position == f"{path}, row 7"


def test_a_damaged_parquet_file_is_a_reject_and_its_neighbours_are_kept(tmp_path):
    for name in ("a", "b", "c"):
        pq.write_table(pa.Table.from_pylist([{"id": name, "problem": "x" * 5000}] * 8), tmp_path / f"{name}.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    assert reasons(rows(tmp_path)) == ["ok"] * 8 + ["unreadable_file"] + ["ok"] * 8


def test_a_damaged_row_group_costs_that_group(tmp_path):
    values = [{"id": str(n), "problem": random.Random(n).randbytes(1000).hex()} for n in range(40)]
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.Table.from_pylist(values), path, row_group_size=10, use_dictionary=False, write_page_checksum=True
    )
    data = bytearray(path.read_bytes())
    page = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    data[page + 10_000 : page + 11_000] = bytes(1000)
    path.write_bytes(data)
    found = rows(path)
    kept = [row.id for row in found if isinstance(row, Problem)]
    (reject,) = [row for row in found if isinstance(row, Reject)]
    assert reject.reason == "unreadable_file"
    assert "10 rows lost" in reject.detail
    assert kept == [str(n) for n in range(40) if not 10 <= n < 20]


def test_a_saved_dataset_with_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    made = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_list([{"id": f"{name}{n}", "problem": "x", "answer": n} for n in range(5)])
            for name in ("train", "test")
        }
    )
    made.save_to_disk(tmp_path / "saved", num_shards={"train": 2, "test": 1})
    assert [row.id for row in rows(tmp_path / "saved", split="train")] == [f"train{n}" for n in range(5)]
    assert len(rows(tmp_path / "saved")) == 10
    with pytest.raises(FactoryError, match="nothing to read"):
        rows(tmp_path / "saved", split="dev")


def test_globs_directories_and_their_clutter(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path / "d" / "b.jsonl", {"id": "b", "problem": "x"})
    write(tmp_path / "d" / "a.jsonl", {"id": "a", "problem": "x"})
    write(tmp_path / "d" / "_SUCCESS.jsonl", {"id": "no", "problem": "x"})
    (tmp_path / "d" / "README.md").write_text("hello")
    assert [row.id for row in rows(tmp_path / "d")] == ["a", "b"]
    assert [row.id for row in rows(f"{tmp_path}/*/b.js*")] == ["b"]
    assert [row.id for row in rows(f"{tmp_path}/**/a.jsonl")] == ["a"]
    assert [row.id for row in rows(f"file://{tmp_path}/d/a.jsonl")] == ["a"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: d / "none.jsonl", "no file or directory"),
        (lambda d: f"{d}/none-*.jsonl", "no file or directory"),
        (lambda d: d, "the directory holds no"),
        (lambda d: write(d / "t.xlsx", b"x"), ".xlsx"),
        (lambda d: write(d / "t.parquet.gz", b"x"), ".parquet.gz"),
        (lambda d: write(d / "t.json", b' [{"id": 1}]'), "has no column 'problem'"),
        (lambda d: write(d / "t.csv", b"id,question\n1,x\n"), "has no column 'problem'"),
        (lambda d: "nosuchscheme://x/y", "cannot read from"),
    ],
)
def test_what_cannot_be_read_at_all_is_one_clear_error(tmp_path, make, said):
    with pytest.raises(FactoryError, match=said) as error:
        rows(make(tmp_path))
    assert error.value.remedy


def test_a_column_named_in_the_recipe_must_be_there(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,problem,expected_answer\n1,x,2\n")
    assert rows(path)[0].answer is None
    with pytest.raises(FactoryError, match="did you mean 'expected_answer'"):
        rows(path, columns={"answer": "expected_anser"})


def test_a_path_that_leads_nowhere_is_an_error_that_says_what_is_there(tmp_path):
    row = {"id": "a", "q": {"text": "x"}, "turns": [{"role": "user", "content": "x"}]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    lines = write(tmp_path / "t.jsonl", row)
    for path in (tmp_path / "t.parquet", lines):
        for column, said in (
            ("q.txt", "did you mean 'q.text'"),
            ("turns", "holds a list, not the text.*turns.0.content"),
            ("turns.content", "such as 'turns.0.content'"),
            ("q", "holds an object"),
            ("nowhere", "its columns are: id, q, turns"),
        ):
            with pytest.raises(FactoryError, match=f"(?s){said}"):
                splits(Source(path=str(path), columns={"problem": column}))
        assert rows(path, columns={"problem": "turns.-1.content"})[0].text == "x"
        with pytest.raises(FactoryError, match="no column 'level'"):
            splits(Source(path=str(path), columns={"problem": "q.text"}, where={"level": 1}))
    pq.write_table(pa.table([["x"], ["y"]], names=["problem", "problem"]), tmp_path / "twice.parquet")
    with pytest.raises(FactoryError, match="more than one column"):
        splits(Source(path=str(tmp_path / "twice.parquet")))


def test_rows_are_filtered_and_counted(tmp_path):
    levels = (1, 2, 1.0, True, None)
    path = write(tmp_path / "t.jsonl", *({"id": str(n), "problem": "x", "level": v} for n, v in enumerate(levels)))
    assert reasons(rows(path, where={"level": 1})) == ["ok", "filtered_out", "ok", "filtered_out", "filtered_out"]
    assert reasons(rows(path, where={"level": (2, None)})).count("ok") == 2
    assert json.loads(rows(path, where={"level": 1})[1].row) == {"level": 2}


def test_a_json_list_is_read_in_pieces(tmp_path, monkeypatch):
    values = [{"id": str(n), "problem": 'p "[{,\\' * n, "x": [[1], {"y": "]"}]} for n in range(30)]
    path = tmp_path / "t.json"
    for indent in (None, 2):
        path.write_text(json.dumps([*values, 7], indent=indent))
        for chunk in (1, 7, 1 << 20):
            monkeypatch.setattr(json_list, "CHUNK", chunk)
            found = rows(path)
            assert reasons(found) == ["missing_problem", *["ok"] * 29, "unreadable_row"]
            assert [row.text for row in found[1:30]] == [value["problem"] for value in values[1:]]
    path.write_text(json.dumps(values[1:])[:-20])
    assert reasons(rows(path))[-1] == "truncated_file"
    path.write_text(json.dumps([{"problem": "x"}, {"problem": "y" * (2 << 20)}, {"problem": "z"}]))
    assert reasons(rows(path, max_row_mb=1)) == ["ok", "oversized_row", "ok"]
    path.write_text("[]")
    assert rows(path) == []


def test_one_bad_value_costs_one_row(tmp_path):
    bad = pa.array([b"one", b"\xff\xfe", b"three"]).view(pa.string())
    far = pa.array([0, 2**62, 0]).cast(pa.timestamp("us"))
    batch = pa.table({"id": ["a", "b", "c"], "problem": bad, "unread": far})
    pq.write_table(batch, tmp_path / "t.parquet")
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_table(batch)
    for name in ("t.parquet", "t.arrow"):
        assert reasons(rows(tmp_path / name)) == ["ok", "unreadable_row", "ok"]


def test_floats_are_the_shortest_of_their_type(tmp_path):
    floats = pa.array([0.1, 2.0], pa.float32())
    nested = pa.array([{"a": 0.7}, {"a": None}], pa.struct([("a", pa.float32())]))
    pq.write_table(pa.table({"problem": ["x", "y"], "answer": floats, "n": nested}), tmp_path / "t.parquet")
    assert [row.answer for row in rows(tmp_path / "t.parquet")] == ["0.1", "2"]
    assert [row.answer for row in rows(tmp_path / "t.parquet", columns={"answer": "n.a"})] == ["0.7", None]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.jsonl", '{"problem": "x"}\n'.encode("utf-16"), "UTF-16"),
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        ("t.parquet", b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        ("t.jsonl", gzip.compress(b"{}", mtime=0), "gzip"),
        ("t.jsonl", b"<!DOCTYPE html><p>gone</p>", "HTML page"),
        ("t.json", b'{\n "problem": "x"\n}\n', "one JSON document"),
        ("t.json", b'{"rows": [{"problem": "x"}]}', "under 'rows'"),
        ("t.csv", b"id;problem\n1;x\n", "delimiter: ';'"),
        ("t.csv", b"id\tproblem\n1\tx\n", r"delimiter: '\\t'"),
        ("t.csv", b"id,problem,problem\n1,x,y\n", "more than one column"),
    ],
)
def test_a_file_that_is_something_else_is_said_so(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FactoryError, match=said):
        rows(tmp_path / name)


def test_delimiters_blank_lines_and_upper_case_endings(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\n\nid;problem\n1;x\n")
    assert [row.text for row in rows(tmp_path / "t.csv", delimiter=";")] == ["x"]
    (tmp_path / "t.JSONL.GZ").write_bytes(gzip.compress(b'{"problem": "x"}'))
    assert reasons(rows(tmp_path / "t.JSONL.GZ")) == ["ok"]


@pytest.mark.parametrize("path", ["", "s3://", "https://huggingface.co/datasets/a/b", "https://x.y/z.jsonl"])
def test_addresses_that_nobody_means(path):
    with pytest.raises(FactoryError, match="cannot read from"):
        splits(Source(path=path))


def test_ids_of_files_and_splits(tmp_path):
    for name in ("a.jsonl", "a.json", "b.jsonl", "train-00000-of-00001.jsonl", "training.jsonl"):
        write(tmp_path / name, {"id": "7", "problem": name})
    found = rows(tmp_path, columns={"id": None})
    assert [row.id for row in found][:3] == ["a.json:0", "a.jsonl:0", "b:0"]
    assert [row.text for row in rows(tmp_path, split="train")] == ["train-00000-of-00001.jsonl"]
    assert rows(tmp_path / "b.jsonl", name="n", ids="named")[0].id == "n/7"
    with pytest.raises(FactoryError, match="give it a `name`"):
        rows(tmp_path / "b.jsonl", ids="named")


def test_licences_travel_and_can_be_refused(tmp_path):
    path = write(
        tmp_path / "t.jsonl",
        {"id": "a", "problem": "x", "license": "CC BY-NC 4.0", "url": "https://u"},
        {"id": "b", "problem": "x", "license": "MIT", "user_name": "ann"},
        {"id": "c", "problem": "x"},
    )
    found = rows(path, refuse_licenses=["cc by-nc*", "unknown"])
    assert reasons(found) == ["licence_refused", "ok", "licence_refused"]
    assert json.loads(found[0].row)["attribution"]["url"] == "https://u"
    assert found[1].attribution.user_name == "ann"
    assert reasons(rows(path, refuse_licenses=["unknown"], license="CC0")) == ["ok"] * 3


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=40).filter(lambda b: b"\n" not in b and b.strip()),
            st.fixed_dictionaries(
                {"problem": st.text(max_size=20), "answer": st.none() | st.text() | st.integers()}
            ).map(lambda row: json.dumps(row).encode()),
        ),
        max_size=30,
    ),
    split_bytes=st.integers(1, 300),
)
def test_counts_add_up_however_the_file_is_cut(tmp_path_factory, pieces, split_bytes):
    assume(not disguise(b"\n".join(pieces)))
    path = tmp_path_factory.mktemp("t") / "t.jsonl"
    path.write_bytes(b"\n".join(pieces))
    before, table.SPLIT_BYTES = table.SPLIT_BYTES, split_bytes
    try:
        found = rows(path)
    finally:
        table.SPLIT_BYTES = before
    # a byte order mark alone is no row
    assert len(found) == len([p for i, p in enumerate(pieces) if i or p.removeprefix(b"\xef\xbb\xbf").strip()])
    assert len({row.id for row in found}) == len(found)


def test_real_tables(shared_data):
    assert len(rows(shared_data("src_gsm8k_train.jsonl"))) == 7473
    aime = rows(shared_data("src_aime_1983_2023.jsonl"))
    assert all(isinstance(row, Problem) and row.answer for row in aime)
    threads = rows(shared_data("src_se_math_threads.jsonl"), columns={"problem": ["title", "question_text"]})
    assert len([row for row in threads if isinstance(row, Problem) and row.attribution.url]) == 50
