"""A plan and its packs: every trace once an epoch, none cut, bad input told before anything is spent."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.manifest import load
from factory.training import packs, plan
from factory.training.data import is_held_out, with_digests
from tests.engines import tiny_model
from tests.training.support import RUN, recipe, student


@pytest.fixture(scope="module")
def traces():
    return {row["uid"]: row for file in load(RUN) for row in pq.read_table(file).to_pylist()}


def written(tmp_path, *overrides, **values):
    made = plan.plan(recipe(*overrides, **values))
    store = Store.open(tmp_path / "run")
    return made, store, packs.write(store, made, "tokenizer")


def uids_of(store, stage):
    """The traces of a stage in the order in which it trains on them."""
    tables = [pq.read_table(store.url(part.key), columns=["uids"]) for part in stage.parts]
    return [uid for table in tables for uids in table["uids"].to_pylist() for uid in uids]


def test_every_trace_is_trained_on_once_an_epoch_in_its_bucket(tmp_path, traces):
    made, store, manifest = written(tmp_path, "epochs=3")
    seen = Counter()
    for planned, stage in zip(made.stages, manifest.stages, strict=True):
        tokens = 0
        for pack in (row for part in stage.parts for row in pq.read_table(store.url(part.key)).to_pylist()):
            assert sum(pack["seq_lengths"]) == len(pack["input_ids"]) == len(pack["labels"]) <= stage.pack
            at = 0
            for uid, length in zip(pack["uids"], pack["seq_lengths"], strict=True):
                assert stage.lower < length <= stage.edge
                assert pack["input_ids"][at : at + length] == traces[uid]["token_ids"]
                learnt = [label >= 0 for label in pack["labels"][at : at + length]]
                assert learnt == [origin == 1 for origin in traces[uid]["mask"]]
                at += length
                seen[uid] += 1
            tokens += at
        assert (tokens, stage.tokens) == (planned.tokens,) * 2
        assert (stage.packs, stage.steps, stage.traces) == (planned.packs, planned.steps, planned.traces)
    held = {uid for uid, row in traces.items() if is_held_out(made.recipe, row["problem_id"])}
    assert held
    assert seen == dict.fromkeys(traces.keys() - held, 3)
    assert set(packs.held_out(store)["uid"].to_pylist()) == held


def test_the_same_inputs_give_the_same_bytes_and_another_seed_another_order(tmp_path):
    _, _, first = written(tmp_path / "a")
    _, _, again = written(tmp_path / "b")
    _, _, other = written(tmp_path / "c", "seed=1")
    assert first.to_bytes() == again.to_bytes()
    assert [s.parts for s in first.stages] != [s.parts for s in other.stages]


def test_epochs_differ_in_order(tmp_path):
    _, store, manifest = written(tmp_path, "epochs=2")
    stage = manifest.stages[0]
    order = uids_of(store, stage)
    assert sorted(order[: len(order) // 2]) == sorted(order[len(order) // 2 :])
    assert order[: len(order) // 2] != order[len(order) // 2 :]


def test_packs_are_read_by_number_and_the_last_step_begins_again(tmp_path):
    _, store, manifest = written(tmp_path, "batch=6", "epochs=1")
    stage = manifest.stages[0]
    assert stage.packs % stage.packs_per_step, "the case is that the last step is not full"
    read = packs.Packs(store, stage)
    rows = [row for part in stage.parts for row in pq.read_table(store.url(part.key)).to_pylist()]
    for number in [*range(stage.steps * stage.packs_per_step), 0, stage.packs - 1]:
        assert read[number] == {k: v for k, v in rows[number % stage.packs].items() if k != "uids"}


def test_the_last_stage_takes_its_share_of_other_modes(tmp_path, traces):
    made, store, manifest = written(tmp_path, "mix={low: 0.2}", "stages=[{edge: 128}, {edge: 256}]")
    last = manifest.stages[-1]
    assert last.mixed == made.stages[-1].mixed * last.mixed // made.stages[-1].mixed > 0
    uids = set(uids_of(store, last))
    short = [uid for uid in uids if traces[uid]["n_tokens"] <= 128]
    assert short
    assert {traces[uid]["reasoning_mode"] for uid in short} == {"low"}
    assert len(short) * made.recipe.epochs == last.mixed


def test_rows_longer_than_the_last_edge_are_counted_and_never_cut(tmp_path, traces):
    made, _, manifest = written(tmp_path, "stages=[{edge: 100}, {edge: 128}]", "hold_out=0")
    long = sum(row["n_tokens"] > 128 for row in traces.values())
    assert manifest.left_out == {"too_long": long}
    assert made.too_long == long
    assert sum(stage.traces for stage in manifest.stages) == made.recipe.epochs * (len(traces) - long)
    assert f"{long} traces are longer than the last edge" in plan.render(made)


def test_a_student_with_another_tokenizer_gets_its_own_tokens_and_buckets(tmp_path):
    model = tiny_model.write(tmp_path / "student")
    made, _, manifest = written(tmp_path, "stages=auto", f"student.model={model}", "hold_out=0")
    assert made.retokenized
    (stage,) = manifest.stages
    assert stage.tokens > made.stages[0].tokens  # bytes, not pieces of words


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["stages=[{edge: 60}, {edge: 256}]"], "no traces of 1 to 60 tokens"),
        (["stages=[{edge: 30}]"], "no traces of 1 to 30"),
        (["machine.workers=64"], "packs of traces for 64 workers"),
        (["data.0.modes=[low]", "data.0.tools=[none]"], "nothing to train on"),
        (["data.0.version=7"], "version"),
        (["data.0.tokenizer=/nowhere"], "tokenizer of the traces"),
        (["student.model=/nowhere/model"], "no model directory"),
    ],
)
def test_bad_input_is_told_by_the_plan(overrides, told):
    with pytest.raises(FactoryError, match=told):
        plan.plan(recipe(*overrides))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("stages=[{edge: 256}, {edge: 128}]", "longer edge than the one before"),
        ("stages=[{edge: 256, pack: 128}]", "does not hold the traces"),
        ("mix={low: 0.6, high: 0.5}", "less than 1"),
        ("bach=3", "batch"),
    ],
)
def test_bad_recipes_are_told_when_they_are_read(override, told):
    with pytest.raises(FactoryError, match=told):
        recipe(override)


def test_a_student_without_pad_or_end_token_is_refused(tmp_path):
    for key, told in (("pad_token", "no pad token"), ("eos_token", "no end-of-sequence token")):
        model = student(tmp_path / key, **{key: None})
        with pytest.raises(FactoryError, match=told):
            plan.plan(recipe(f"student.model={model}"))


def test_published_ids_of_another_tokenizer_are_refused(tmp_path):
    model = tiny_model.write(tmp_path / "student")
    with pytest.raises(FactoryError, match="are not the student's"):
        plan.plan(recipe(f"student.model={model}", "student.tokens=as_published"))


def test_packs_of_another_tokenizer_are_refused(tmp_path):
    made, store, _ = written(tmp_path)
    with pytest.raises(FactoryError, match="written for another student"):
        packs.write(store, made, "another")


def test_a_recipe_says_what_it_was_made_from():
    named = with_digests(recipe())
    assert named.data[0].version
    assert named.data[0].digest
    assert named.fingerprint != recipe().fingerprint
    with pytest.raises(FactoryError, match="not the one that was read before"):
        with_digests(recipe("data.0.digest=none-such"))


def test_a_smaller_share_is_part_of_a_larger_one(tmp_path):
    found = [set(), set()]
    for number, share in enumerate((0.4, 0.8)):
        _, store, manifest = written(tmp_path / str(number), f"data.0.share={share}", "stages=[{edge: 256}]")
        found[number] = set(uids_of(store, manifest.stages[0]))
    assert found[0] < found[1]


def test_factory_plan_prints_stages_beside_one_long_run(tmp_path):
    file = tmp_path / "train.yaml"
    file.write_text(json.dumps(recipe("machine.gpu=true", "prices.gpu_hour=2.0").model_dump(mode="json")))
    ran = CliRunner().invoke(app, ["plan", str(file)])
    assert ran.exit_code == 0, ran.output
    for word in ("stage-100", "stage-256", "together", "in one stage", "GPU-hours", "40 % off"):
        assert word in ran.output
    values = json.loads(CliRunner().invoke(app, ["plan", str(file), "--json"]).output)
    assert [stage["steps"] for stage in values["stages"]]
    assert values["gpu_hours"] > 0
    assert values["price"] == pytest.approx(values["gpu_hours"] * 2.0)
