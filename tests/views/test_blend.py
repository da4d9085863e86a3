"""Blends: weights and totals are exact, subsets nest, too many epochs are an error, and rows can be written."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.publish import publish
from factory.views.blend import Blend, Taken, plan
from factory.views.blend_files import BLEND_FILE, write
from factory.views.split import position
from tests.store.test_publish import SETTINGS, VIEW, a_run, table


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs with the same ids of problems, 24 and 8 of them with 12 traces each."""
    places = [tmp_path_factory.mktemp("runs") / name for name in ("large", "small")]
    made = [a_run(place, problems) for place, problems in zip(places, (30, 10), strict=True)]
    for run in made:
        publish(run, SETTINGS, VIEW)
    return made


def tokens(run) -> int:
    return sum(table(run)["n_tokens"].to_pylist())


def source(run, name: str, **more) -> dict:
    return {"name": name, "path": run.uri} | more


def blend(*sources: dict, tokens: int | None = None, **more) -> Blend:
    return Blend.model_validate({"phases": [{"name": "one", "tokens": tokens, "sources": list(sources)}], **more})


def rows_of(taken: Taken) -> Counter:
    return Counter(
        {
            (file.key, int(row)): int(n)
            for file in taken.files
            for row, n in zip(file.positions, file.repeats, strict=True)
        }
    )


def test_an_epoch_takes_each_row_once_and_totals_are_those_of_the_rows(runs):
    large, small = runs
    (one, two) = plan(blend(source(large, "a", epochs=1), source(small, "b", epochs=2)))
    assert (one.tokens, one.rows, one.problems, one.epochs) == (tokens(large), 24 * 12, 24, 1.0)
    assert set(rows_of(one).values()) == {1}
    assert (two.tokens, two.epochs, two.max_repeats) == (2 * tokens(small), 2.0, 2)
    assert one.weight + two.weight == pytest.approx(1)
    assert one.traces_per_problem == two.traces_per_problem == 12  # other traces of a problem are no epochs


@pytest.mark.parametrize("share", [0.1, 0.35, 0.8])
def test_weights_become_tokens_up_to_one_problem(runs, share):
    large, small = runs
    total = tokens(large) // 2
    taken = plan(
        blend(source(large, "a", weight=share), source(small, "b", weight=1 - share, max_epochs=9), tokens=total)
    )
    widest = 13 * 12 * 500  # tokens of one problem at most
    for one, weight in zip(taken, (share, 1 - share), strict=True):
        assert 0 <= weight * total - one.tokens <= widest
        assert one.tokens == sum(n * _length(runs, one, key, row) for (key, row), n in rows_of(one).items())
    assert sum(one.weight for one in taken) == pytest.approx(1)


def _length(runs, taken: Taken, key: str, row: int) -> int:
    run = runs[0] if taken.source == "a" else runs[1]
    with run.store.parquet(key) as file:
        return int(file.read(columns=["n_tokens"])["n_tokens"][row].as_py())


def test_smaller_fractions_and_fewer_epochs_nest_at_equal_epochs(runs):
    large, _ = runs
    before: Counter = Counter()
    for fraction in (0.2, 0.5, 0.9, 1.0):
        (taken,) = plan(blend(source(large, "a", epochs=1), fraction=fraction))
        assert rows_of(taken) >= before
        before = rows_of(taken)
    before = Counter()
    for epochs in (0.2, 0.7, 1, 1.3, 2.5):
        (taken,) = plan(blend(source(large, "a", epochs=epochs)))
        assert rows_of(taken) >= before
        assert max(rows_of(taken).values()) - min(rows_of(taken).values()) <= 1
        before = rows_of(taken)
    asked = {"weight": 1.0, "max_epochs": 9}
    whole, part = (
        plan(blend(source(large, "a", **asked), tokens=2 * tokens(large), fraction=f))[0] for f in (1.0, 0.5)
    )
    assert part.tokens == pytest.approx(whole.tokens / 2, abs=13 * 12 * 500)


def test_a_fraction_takes_whole_problems_by_their_id(runs):
    large, _ = runs
    (taken,) = plan(blend(source(large, "a", epochs=1), fraction=0.5))
    wanted = {name for name in table(large)["problem_id"].to_pylist() if position(name) < 0.5}
    assert (taken.problems, taken.rows) == (len(wanted), 12 * len(wanted))


def test_conditions_and_caps(runs):
    large, _ = runs
    where = {"reasoning_mode": ["high", "low"], "with_tool": True, "n_tokens": {"max": 200}}
    (taken,) = plan(blend(source(large, "a", epochs=1, where=where)))
    rows = [r for r in table(large).to_pylist() if r["reasoning_mode"] != "medium" and r["with_tool"]]
    assert taken.rows == sum(row["n_tokens"] <= 200 for row in rows) > 0
    (capped,) = plan(blend(source(large, "a", epochs=1, max_per_problem=5)))
    assert (capped.problems, capped.rows) == (24, 24 * 5)
    (fewer,) = plan(blend(source(large, "a", epochs=1, max_per_problem=2)))
    assert rows_of(fewer) <= rows_of(capped)


def test_too_many_epochs_are_an_error_and_so_are_other_mistakes(runs, tmp_path):
    _, small = runs
    with pytest.raises(FactoryError, match="epochs"):
        plan(blend(source(small, "b", weight=1, max_epochs=1.5), tokens=2 * tokens(small)))
    with pytest.raises(FactoryError, match="no column"):
        plan(blend(source(small, "b", epochs=1, where={"colour": "red"})))
    with pytest.raises(FactoryError, match="no row"):
        plan(blend(source(small, "b", epochs=1, where={"reasoning_mode": "extreme"})))
    with pytest.raises(FactoryError, match="neither a published run"):
        plan(
            Blend.model_validate(
                {"phases": [{"name": "p", "sources": [{"name": "x", "path": str(tmp_path), "epochs": 1}]}]}
            )
        )
    for bad in (
        {"tokens": 10, "sources": [source(small, "b", weight=0.5)]},
        {"sources": [source(small, "b", weight=1.0)]},
        {"sources": [source(small, "b")]},
        {"tokens": 10, "sources": [source(small, "a", weight=1.0), source(small, "b", epochs=1)]},
        {"sources": [source(small, "b", epochs=1), source(small, "b", epochs=1)]},
    ):
        with pytest.raises(ValueError):
            Blend.model_validate({"phases": [{"name": "p", **bad}]})


def test_it_is_written_the_same_each_time_and_rows_on_request(runs, tmp_path):
    large, small = runs
    wanted = blend(source(large, "a", epochs=0.5), source(small, "b", epochs=1.5, where={"reasoning_mode": "high"}))
    trees = []
    for name in ("x", "y"):
        taken = write(wanted, str(tmp_path / name), rows=True)
        store = Store.open(str(tmp_path / name))
        trees.append({entry.key: store.read(entry.key) for entry in store.list("")})
    assert trees[0] == trees[1]
    assert {BLEND_FILE, "selection/one.parquet"} < trees[0].keys()
    rows = [
        row for file in sorted((tmp_path / "x" / "data" / "one").iterdir()) for row in pq.read_table(file).to_pylist()
    ]
    for one in taken:
        mine = [row for row in rows if row["blend_source"] == one.source]
        assert sum(row["n_tokens"] for row in mine) == one.tokens
        assert len(mine) == sum(rows_of(one).values())
    lost = next((tmp_path / "x" / "data" / "one").iterdir())
    data = lost.read_bytes()
    lost.unlink()  # as if the first call had been killed
    write(wanted, str(tmp_path / "x"), rows=True)
    assert lost.read_bytes() == data
    with pytest.raises(FactoryError, match="another blend"):
        write(blend(source(large, "a", epochs=1)), str(tmp_path / "x"))


def test_the_command_prints_the_table(runs, tmp_path):
    spec = tmp_path / "blend.yaml"
    spec.write_text(json.dumps(blend(source(runs[0], "large", epochs=1)).model_dump(mode="json", exclude_none=True)))
    done = CliRunner().invoke(app, ["blend", str(spec), "--out", str(tmp_path / "out"), "--set", "fraction=0.5"])
    assert done.exit_code == 0, done.output
    assert "large" in done.output
    assert "1.0000" in done.output
    assert json.loads((tmp_path / "out" / BLEND_FILE).read_text())["takes"][0]["epochs"] == 1.0
