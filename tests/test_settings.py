"""A recipe's errors name the key, the file and the way out; its fingerprint covers what changes results."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory import recipe, settings
from factory.errors import FactoryError

MINIMAL = """
name: test
sources: [{path: problems.jsonl}]
teacher: {model: some/model}
"""
RECIPES = Path(__file__).parent.parent / "jobs" / "recipes"


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_recipes_load(path):
    from factory import runs
    from factory.recipe.train import Train

    training = settings.layered(path).get("kind") == "train"
    assert (settings.load(Train, path) if training else runs.load(path)).name


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nam=1", "unknown key 'nam'; did you mean 'name'?"),
        ("teacher.engine.replicass=3", "unknown key 'teacher.engine.replicass'; did you mean 'replicas'?"),
        ("teacher.engine.qqq=3", "valid keys here: kind, dtype"),
        ("sources.0.columns.problm=text", "unknown key 'sources.0.columns.problm'; did you mean 'problem'?"),
        ("solve.samples=many", "key 'solve.samples': Input should be a valid integer"),
        ("solve.max_low_pass_rate=1.5", "less than or equal to 1"),
        ("sources=[]", "at least 1 item"),
        ("sources.7.path=x", "'7' is not an index of a list of 1"),
        ("name.first=x", "name is a value, it has no keys"),
        ("sandbox.if_missing=external", "needs external_claim"),
        (
            "teacher.engine.extra.kv_cache_dtype=fp8",
            "kv_cache_dtype changes what the model says: move it to `numerics`",
        ),
        ("no-equals", "is not of the form a.b=c"),
        ("solve.samples=[1", "not valid YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(recipe_file, override, said):
    with pytest.raises(FactoryError) as caught:
        recipe.load(recipe_file, [override])
    assert said in str(caught.value)
    if "=" in override and "YAML" not in said and "index" not in said and "has no keys" not in said:
        assert str(recipe_file) in str(caught.value)


def test_every_wrong_key_is_listed_at_once(recipe_file):
    with pytest.raises(FactoryError) as caught:
        recipe.load(recipe_file, ["solve.sample=3", "verify.timeout=1"])
    assert "'solve.sample'" in str(caught.value)
    assert "'verify.timeout'" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [", "just words"])
def test_a_file_that_is_no_recipe(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(FactoryError, match=r"bad\.yaml"):
        recipe.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FactoryError, match=r"cannot read the recipe .*no\.yaml"):
        recipe.load(tmp_path / "no.yaml")


def test_overrides_reach_into_sections_and_lists(recipe_file):
    loaded = recipe.load(
        recipe_file, ["sources.0.limit=3", "teacher.engine.replicas=[2, 5]", "solve.order=cheap_first"]
    )
    assert loaded.sources[0].limit == 3
    assert loaded.teacher.engine.replicas == (2, 5)
    assert loaded.solve.order == "cheap_first"


def test_the_fingerprint_leaves_out_what_cannot_change_results(recipe_file):
    plain = recipe.load(recipe_file)
    moved = recipe.load(
        recipe_file, ["teacher.engine.replicas=[1, 99]", "journal.part_mb=1", "programs.workers=[2, 2]"]
    )
    other = recipe.load(recipe_file, ["solve.sampling.temperature=0.5"])
    assert plain.fingerprint == moved.fingerprint
    assert plain.fingerprint != other.fingerprint
    changed = settings.difference(settings.result_values(plain), settings.result_values(other))
    assert changed == ["solve.sampling.temperature: 1.0 -> 0.5"]


def test_a_recipe_keeps_the_fingerprint_that_its_runs_have(recipe_file):
    """A field added since must be `added(...)` or `operational(...)`, or every older run is refused."""
    assert recipe.load(recipe_file).fingerprint == "90487ec94bf88cf8"


def test_an_added_field_counts_once_it_differs_from_its_default():
    class Before(settings.Strict):
        kept: int = 1

    class After(Before):
        late: int = settings.added(2)
        nested: Before = settings.added(Before())

    assert settings.fingerprint(After()) == settings.fingerprint(Before())
    assert settings.fingerprint(After(late=3)) != settings.fingerprint(Before())
    assert settings.result_values(After(nested=Before(kept=5))) == {"kept": 1, "nested": {"kept": 5}}


def test_what_changes_an_engine_s_words_changes_the_fingerprint_and_what_changes_its_speed_does_not(recipe_file):
    plain = recipe.load(recipe_file).fingerprint
    faster = ["teacher.engine.extra={compilation_config: {mode: 0}}"]
    assert recipe.load(recipe_file, faster).fingerprint == plain
    assert recipe.load(recipe_file, ["teacher.engine.numerics={kv_cache_dtype: fp8}"]).fingerprint != plain


def test_files_are_laid_over_a_recipe_and_single_keys_over_those(recipe_file, tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("teacher: {engine: {max_num_seqs: 8, extra: {a: 1}}}")
    second.write_text("teacher: {engine: {extra: {b: 2}, tensor_parallel_size: 2}}")
    engine = recipe.load(recipe_file, ["teacher.engine.tensor_parallel_size=4"], [first, second]).teacher.engine
    assert (engine.max_num_seqs, engine.extra, engine.tensor_parallel_size) == (8, {"a": 1, "b": 2}, 4)
    second.write_text("teacher: {engin: {}}")
    with pytest.raises(FactoryError, match="did you mean 'engine'"):
        recipe.load(recipe_file, [], [second])
    with pytest.raises(FactoryError, match="cannot read the override"):
        recipe.load(recipe_file, [], [tmp_path / "absent.yaml"])
