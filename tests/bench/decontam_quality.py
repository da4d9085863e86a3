"""How good decontamination is, on labelled pairs: retrieval, the verdict by kind of pair, and what each signal carries.

    python -m tests.bench.decontam_quality PAIRS.jsonl --benchmarks B.jsonl ... --sources S.jsonl ... [--cache DIR]

The verdict is judged twice: with the shipped weights, and cross-validated (weights fitted on one half of the pairs
judge the other half). `clear` is every pair that is neither borderline nor across languages.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from factory.decontaminate import rule
from factory.decontaminate.benchmarks import BenchmarkId, BenchmarkProblem, read
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import PairDecision, judge_pair
from factory.decontaminate.text import analyse, normalise
from tests.bench.decontam_calibrate import fit_rule, load_pairs, measure, wild_negatives

GROUPS = {
    "cosine": ["cosine"],
    "numbers": ["numbers_forward", "numbers_backward", "numbers_evidence"],
    "words": ["content_forward", "content_backward"],
    "characters": ["chars_forward", "chars_backward"],
    "formulas": ["math_forward", "math_backward"],
    "names": ["names"],
}
Pair = dict[str, Any]


def retrieval(pairs: list[Pair], benchmarks: list[Path], embedder: Embedder) -> None:
    """Recall of the right benchmark problem among all of them, by kind of pair; `retrieved` counts those that shared
    n-grams bring up behind the five nearest. Benchmark problems of the pairs that no file holds (MATH) are added, so
    that every pair has its right one in the index."""
    problems = read(benchmarks)
    known = {normalise(problem.text) for problem in problems}
    for pair in pairs:
        if normalise(pair["benchmark_problem"]) not in known:
            known.add(normalise(pair["benchmark_problem"]))
            problems.append(BenchmarkProblem(pair["benchmark_problem"], (BenchmarkId("pairs", pair["benchmark_id"]),)))
    index = BenchmarkIndex(problems, embedder.embed([p.text for p in problems]), embedder.key)
    asked = [pair for pair in pairs if pair["contaminated"]]
    texts = [pair["train_problem"] for pair in asked]
    found = index.search(texts, embedder.embed(texts), 5)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for pair, nearest in zip(asked, found, strict=True):
        ranks = [normalise(problems[row].text) for row, _ in nearest]
        right = normalise(pair["benchmark_problem"])
        rank = ranks.index(right) + 1 if right in ranks else 99
        for kind in (pair["pair_type"], *(["clear, all"] if clear(pair) else [])):
            by_kind[kind].append(rank)
    print(f"\nretrieval among {len(problems)} benchmark problems")
    print(f"{'kind':24}{'pairs':>6}{'recall@1':>10}{'recall@5':>10}{'retrieved':>11}")
    for kind, ranked in sorted(by_kind.items()):
        first, fifth = np.mean([rank <= 1 for rank in ranked]), np.mean([rank <= 5 for rank in ranked])
        print(f"{kind:24}{len(ranked):6}{first:10.3f}{fifth:10.3f}{np.mean([r < 99 for r in ranked]):11.3f}")


def clear(pair: Pair) -> bool:
    languages = {analyse(pair["train_problem"]).language, analyse(pair["benchmark_problem"]).language} - {"math"}
    return not pair["borderline"] and len(languages) <= 1


def crossed(
    pairs: list[Pair], measured: list[dict[str, float]], fit: Callable[[list[Pair]], Any], seed: int
) -> list[PairDecision]:
    """Each pair judged by weights fitted on the half that it is not in."""
    half = np.random.default_rng(seed).integers(0, 2, len(pairs))
    verdicts: list[Any] = [None] * len(pairs)
    for side in (0, 1):
        weights = fit([pair for pair, h in zip(pairs, half, strict=True) if h != side])
        with mock.patch.object(rule, "_rule", lambda weights=weights: weights):
            for i in np.flatnonzero(half == side):
                verdicts[i] = judge_pair(measured[i])
    return verdicts


def precision_recall(pairs: list[Pair], verdicts: Sequence[PairDecision]) -> tuple[float, float, int]:
    judged = [(p["contaminated"], v.decide()) for p, v in zip(pairs, verdicts, strict=True) if clear(p)]
    both = sum(label and said for label, said in judged)
    said_yes, are_yes = sum(said for _, said in judged), sum(label for label, _ in judged)
    return both / said_yes, both / are_yes, len(judged)


def by_kind(pairs: list[Pair], verdicts: Sequence[PairDecision]) -> None:
    counts: dict[tuple[str, bool], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for pair, verdict in zip(pairs, verdicts, strict=True):
        row = counts[pair["pair_type"], pair["contaminated"]]
        row[0] += 1
        row[1] += verdict.decide()
        row[2] += verdict.contaminated is None
        row[3] += verdict.decide() == pair["contaminated"]
    print(f"{'kind':24}{'label':>8}{'pairs':>7}{'called contaminated':>21}{'in the band':>13}{'agrees':>9}")
    for (kind, label), (n, yes, band, right) in sorted(counts.items()):
        print(f"{kind:24}{label!s:>8}{n:7}{yes:21}{band:13}{right / n:9.3f}")


def without(names: list[str], fit: Callable[[list[Pair]], Any]) -> Callable[[list[Pair]], Any]:
    """Weights fitted where the signals `names` are not there."""
    from tests.bench import decontam_calibrate

    def fit_fewer(pairs: list[Pair]) -> Any:
        original = decontam_calibrate.fit
        fewer = lambda rows, labels, all_names: original(rows, labels, [n for n in all_names if n not in names])  # noqa: E731
        with mock.patch.object(decontam_calibrate, "fit", fewer):
            return fit(pairs)

    return fit_fewer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--benchmarks", type=Path, nargs="+", required=True)
    parser.add_argument("--sources", type=Path, nargs="+", required=True, help="as in decontam_calibrate.py")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    embedder = Embedder(cache=options.cache)
    pairs = load_pairs(options.pairs)
    retrieval(pairs, options.benchmarks, embedder)

    measured = measure(pairs, embedder)
    wild = wild_negatives(options.sources, options.benchmarks, embedder)
    shipped = [judge_pair(signals) for signals in measured]
    precision, recall, count = precision_recall(pairs, shipped)
    print(f"\nverdict, shipped weights, clear pairs: precision {precision:.4f}, recall {recall:.4f} ({count} pairs)")
    by_kind(pairs, shipped)

    def fit(some: list[Pair]) -> Any:
        return fit_rule(some, wild, embedder)

    print("\ncross-validated, clear pairs (three splits)        precision   recall")
    for seed in range(3):
        precision, recall, _ = precision_recall(pairs, crossed(pairs, measured, fit, seed))
        print(f"{'all signals':48}{precision:12.4f}{recall:9.4f}")
    for name, signals in GROUPS.items():
        precision, recall, _ = precision_recall(pairs, crossed(pairs, measured, without(signals, fit), 0))
        print(f"{'without ' + name:48}{precision:12.4f}{recall:9.4f}")
    for threshold in (0.7, 0.75, 0.8, 0.85, 0.9):
        alone = [PairDecision(s["cosine"] >= threshold, s["cosine"], "", "") for s in measured]
        precision, recall, _ = precision_recall(pairs, alone)
        print(f"{f'cosine >= {threshold} alone':48}{precision:12.4f}{recall:9.4f}")
    print(json.dumps({"in the band": sum(v.contaminated is None for v in shipped), "of": len(pairs)}))


if __name__ == "__main__":
    main()
