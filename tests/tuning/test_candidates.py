"""What `factory tune` tries."""

from __future__ import annotations

import pytest

from factory.errors import FactoryError
from factory.recipe import VllmSettings
from factory.tuning.candidates import SettingAxis, changes, default_axes, digest, given_axes, with_value
from factory.tuning.measure import Measurement
from factory.tuning.tune import line, side_by_side

BASE = VllmSettings(max_num_seqs=100)


def test_by_default_sizes_that_a_machine_holds_sequences_and_batches_are_tried():
    axes = default_axes(BASE, gpus_per_machine=4)
    assert axes[0] == SettingAxis("tensor_parallel_size", (1, 2, 4))
    assert axes[1] == SettingAxis("max_num_seqs", (100, 50, 200))
    assert axes[2].key == "extra.max_num_batched_tokens"


def test_on_cpus_sequences_alone_are_tried():
    assert [axis.key for axis in default_axes(VllmSettings(num_gpus=0), gpus_per_machine=0)] == ["max_num_seqs"]


def test_a_user_names_what_is_tried():
    axes = given_axes(["teacher.engine.max_num_seqs=64,128", "numerics.kv_cache_dtype=auto,fp8"])
    assert axes == [SettingAxis("max_num_seqs", (64, 128)), SettingAxis("numerics.kv_cache_dtype", ("auto", "fp8"))]


@pytest.mark.parametrize("text", ["max_num_seqs", "=1", "max_num_seqs="])
def test_a_text_that_names_nothing_is_explained(text):
    with pytest.raises(FactoryError, match="key=value,value"):
        given_axes([text])


def test_an_unknown_setting_and_a_value_that_cannot_be_are_explained():
    with pytest.raises(FactoryError, match="did you mean 'max_num_seqs'"):
        with_value(BASE, "max_num_seq", 1)
    with pytest.raises(FactoryError, match="max_num_seqs"):
        with_value(BASE, "max_num_seqs", "many")
    with pytest.raises(FactoryError, match="numerics"):
        with_value(BASE, "extra.kv_cache_dtype", "fp8")


def test_what_changed_is_an_override_that_makes_the_same_engine_again():
    tried = with_value(with_value(BASE, "tensor_parallel_size", 2), "extra.max_num_batched_tokens", 8192)
    found = changes(tried, BASE)
    assert found == {"tensor_parallel_size": 2, "extra": {"max_num_batched_tokens": 8192}}
    assert digest(VllmSettings.model_validate(BASE.model_dump() | found)) == digest(tried) != digest(BASE)
    assert changes(BASE, BASE) == {}


def test_as_many_engines_run_side_by_side_as_there_are_gpus_for():
    sizes = [VllmSettings(tensor_parallel_size=n) for n in (1, 2, 4, 8)]
    groups = side_by_side(sizes, gpus=8)
    assert [[e.tensor_parallel_size for e in some] for some in groups] == [[1, 2, 4], [8]]
    assert [len(some) for some in side_by_side([VllmSettings(num_gpus=0)] * 3, gpus=8)] == [1, 1, 1]


def test_a_failure_says_why():
    assert line(Measurement(changes={"max_num_seqs": 1}, failed="out of memory")).endswith("failed, out of memory")
