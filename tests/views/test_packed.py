"""packed: every trace once, borders written, the loss where it is unpacked; Megatron-Bridge's rules too."""

from __future__ import annotations

import json
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError
from factory.views.packing import best_fit
from tests.conftest import ROOT

STORED = str(ROOT / "tests" / "stored_runs" / "2026-11")
EDGES = "edges=[32,64,128]"


@given(st.lists(st.integers(1, 20), max_size=60), st.lists(st.sampled_from("abcd"), min_size=60, max_size=60))
@settings(max_examples=100, derandomize=True)
def test_best_fit_loses_nothing_and_fits(lengths, owners):
    packs = best_fit(lengths, 20)
    assert sorted(i for pack in packs for i in pack) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in pack) <= 20 for pack in packs)
    rooms = sorted(20 - sum(lengths[i] for i in pack) for pack in packs)
    assert len(packs) < 2 or rooms[-1] + rooms[-2] < 20  # two half-empty packs would have been one
    apart = best_fit(lengths, 20, owners[: len(lengths)])
    assert sorted(i for pack in apart for i in pack) == list(range(len(lengths)))
    assert all(len({owners[i] for i in pack}) == len(pack) for pack in apart)


def documents(row: dict) -> list[tuple[str, list[int], list[int]]]:
    spans = zip(row["doc_starts"], row["seq_lengths"], row["uids"], strict=True)
    return [(uid, row["input_ids"][a : a + n], row["labels"][a : a + n]) for a, n, uid in spans]


def test_packs_hold_every_trace_once_as_it_is_unpacked(exported):
    unpacked = {row["uid"]: row for row in exported("sft", "form=tokens")[1]["sft"]}
    done, rows = exported("packed", EDGES, "packs=2")
    found = {}
    for table, packs in rows.items():
        edge = int(table)
        for row in packs:
            assert sum(row["seq_lengths"]) == len(row["input_ids"]) == len(row["labels"]) <= 2 * edge
            assert row["doc_starts"][0] == 0
            for uid, ids, labels in documents(row):
                assert uid not in found
                assert edge // 2 < len(ids) <= edge or edge == 32
                found[uid] = (ids, labels)
    assert found == {uid: (row["input_ids"], row["labels"]) for uid, row in unpacked.items()}
    notes = done.funnel.notes
    assert sum(notes[f"{table}: tokens"] for table in rows) == sum(row["n_tokens"] for row in unpacked.values())
    assert done.funnel.used == len(found)


def test_a_trace_longer_than_the_last_edge_is_left_out_whole(exported):
    done, rows = exported("packed", "edges=[40]")
    assert done.funnel.left_out["over_40"] > 0
    assert all(length <= 40 for row in rows["40"] for length in row["seq_lengths"])


@pytest.mark.parametrize("multiple", [1, 8])
def test_megatron_bridge_learns_the_same_tokens_from_the_same_inputs(exported, multiple):
    """Of a trace a:b the runtime takes ids[a:b-1], ids[a+1:b] as labels and loss_mask[a:b-1]."""
    padded = [f"multiple_of={multiple}", "pad_id=0"] if multiple > 1 else []
    _, plain = exported("packed", EDGES)
    _, rows = exported("packed", EDGES, "layout=megatron", *padded)

    def ours():
        for _, ids, labels in (document for table in plain.values() for row in table for document in documents(row)):
            yield sorted((ids[i], ids[i + 1]) for i in range(len(ids) - 1) if labels[i + 1] != -100)

    def theirs():
        for row in (row for table in rows.values() for row in table):
            borders = [*row["seq_start_id"], len(row["input_ids"])]
            assert borders[0] == 0
            assert len(row["loss_mask"]) == len(row["input_ids"])
            for a, b in pairwise(borders):
                assert (b - a - 1) % multiple == 0
                ids, mask = row["input_ids"][a:b], row["loss_mask"][a:b]
                yield sorted((i, label) for i, label, m in zip(ids[:-1], ids[1:], mask[:-1], strict=True) if m)

    assert sorted(theirs()) == sorted(ours())


def test_the_files_say_which_layout_they_were_made_for(exported, tmp_path):
    done, _ = exported("packed", EDGES, "layout=megatron", "multiple_of=4", "pad_id=7")
    (place,) = tmp_path.iterdir()
    assert all(file.key.endswith(".idx.parquet") for file in done.files)
    metadata = pq.read_schema(place / done.files[0].key).metadata
    said = {name.decode(): json.loads(value) for name, value in metadata.items()}
    assert (said["pad_seq_to_mult"], said["pad_id"], said["mask_of"]) == (4, 7, "label")
    assert said["pack_length"] == int(done.files[0].table)


def test_unmasked_packs_never_hold_two_traces_of_a_problem(exported):
    done, rows = exported("packed", "layout=continued", "edges=[2048]", "separator=<s>", uri=STORED,
                          )  # fmt: skip
    seen = []
    for row in rows["2k"]:
        assert len(set(row["problem_ids"])) == len(row["problem_ids"])
        assert len(row["input_ids"]) <= 2048
        ends = [a + n for a, n in zip(row["doc_starts"], row["seq_lengths"], strict=True)]
        assert ends[-1] == len(row["input_ids"])
        between = {tuple(row["input_ids"][a:b]) for a, b in zip(ends, row["doc_starts"][1:], strict=False)}
        assert len(between) <= 1
        assert () not in between
        seen += row["uids"]
    assert len(seen) == len(set(seen)) == done.funnel.used == 52
    assert any(len(row["uids"]) > 1 for row in rows["2k"])


def test_padding_without_a_layout_for_it_is_refused(exported):
    with pytest.raises(FactoryError, match="multiple_of"):
        exported("packed", "multiple_of=8")
    with pytest.raises(FactoryError, match="pad_id"):
        exported("packed", "layout=megatron", "multiple_of=8")
    with pytest.raises(FactoryError, match="edges"):
        exported("packed", "edges=[64,64]")
