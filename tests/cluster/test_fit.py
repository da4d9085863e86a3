"""What becomes of what a run's pools hold at least, where the cluster has less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.cluster.fit import lowered, one_of_each, with_minimum
from factory.recipe import Recipe
from factory.stages.stage import Pool
from tests.cluster.test_demand import SETTINGS, pools


@pytest.fixture
def recipe():
    return Recipe.model_validate(SETTINGS)


def test_fewer_of_each_in_equal_shares(recipe):
    least = lowered(pools(recipe), cpus=4)
    assert {pool.keys[0]: n for pool, n in least.items()} == {
        "teacher.engine.replicas": 1,
        "sandbox.actors": 2,
        "programs.workers": 2,
    }


sizes = st.builds(
    Pool,
    st.just("actors"),
    st.tuples(st.uuids().map(str)),
    st.integers(1, 20).map(lambda least: (least, 20)),
    cpus=st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]),
)


@given(st.lists(sizes, min_size=1, max_size=6), st.floats(0, 40))
def test_one_of_each_at_the_lowest_and_never_more_than_there_is(some, spare):
    cpus = one_of_each(some) + spare
    least = lowered(some, cpus)
    assert sum(least[p] * p.cpus for p in some) <= cpus
    assert all(1 <= least[p] <= p.min_actors for p in some)


def test_the_run_stays_the_same_run(recipe):
    smaller = with_minimum(recipe, {"teacher.engine.replicas": 1, "sandbox.actors": 2})
    assert smaller.teacher.engine.replicas == (1, 8)
    assert smaller.sandbox.actors == (2, 16)
    assert smaller.fingerprint == recipe.fingerprint
