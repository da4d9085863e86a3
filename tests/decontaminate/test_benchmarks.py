"""Which benchmarks a recipe means: files by name, and the folder of those that the project evaluates on."""

from __future__ import annotations

import json

import pytest

from factory.decontaminate.benchmarks import chosen, evaluated, place_of, read
from factory.errors import FactoryError
from factory.recipe import Decontaminate


@pytest.fixture
def folder(tmp_path):
    """Every evaluated benchmark but the first, one problem each."""
    for number, benchmark in enumerate(evaluated()[1:]):
        row = {"id": 1, "problem": f"What is {number} squared?"}
        (tmp_path / f"{benchmark.file}.jsonl").write_text(json.dumps(row))
    return tmp_path


def test_a_missing_benchmark_ends_the_run_before_it_starts_unless_it_is_left_out_by_name(folder):
    first = evaluated()[0]
    with pytest.raises(FactoryError) as error:
        chosen(Decontaminate(evaluated=str(folder)))
    assert f"{first.file}.jsonl" in error.value.why
    assert first.source in error.value.why
    paths = chosen(Decontaminate(benchmarks=("more.jsonl",), evaluated=str(folder), without=(first.name,)))
    assert paths == ["more.jsonl", *(place_of(str(folder), b) for b in evaluated()[1:])]
    assert len(read(paths[1:])) == len(evaluated()) - 1
    with pytest.raises(FactoryError, match="AIME 2042"):
        chosen(Decontaminate(evaluated=str(folder), without=("AIME 2042",)))
    assert chosen(Decontaminate(benchmarks=("a.jsonl",))) == ["a.jsonl"]


def test_a_folder_may_be_a_uri_with_options(folder):
    assert place_of("s3://b/x/?region=r", evaluated()[0]) == "s3://b/x/aime24.jsonl?region=r"
    by_uri = chosen(Decontaminate(evaluated=f"file://{folder}", without=(evaluated()[0].name,)))
    assert len(read(by_uri)) == len(evaluated()) - 1
    assert {place.benchmark for problem in read(by_uri) for place in problem.places} == {
        b.file for b in evaluated()[1:]
    }
