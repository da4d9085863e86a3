"""Speed of decontamination beside the plain way: sentence-transformers `encode` and `util.semantic_search`.

    python tests/bench/decontam_speed.py PROBLEMS.jsonl --benchmarks B.jsonl ... [--rows 512] [--rounds 3]

Same model, same texts, same machine, in turns; nothing is cached. Wall time and CPU time of the process are both given:
on a shared machine the second is the steadier one. The benchmark side is embedded once, outside the clock.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import util

from factory.decontaminate import BenchmarkIndex, Embedder, judge_pair, signals
from factory.decontaminate.text import analyse
from factory.recipe import Embedding

K = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", type=Path)
    parser.add_argument("--benchmarks", type=Path, nargs="+", required=True)
    parser.add_argument("--cache", type=Path, help="for the benchmark side only")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, help="the recipe's default where not given")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = [json.loads(line) for line in options.problems.read_text(encoding="utf-8").split("\n") if line]
    texts = [row["problem"] for row in random.Random(0).sample(lines, min(options.rows, len(lines)))]
    index = BenchmarkIndex.build(options.benchmarks, Embedder(cache=options.cache))
    embedder = Embedder(Embedding(batch_size=options.batch_size))
    model, corpus = embedder._load(), torch.from_numpy(index.vectors.copy())
    embedder.embed(texts[:32])
    print(f"{len(texts)} problems against {len(index.problems)}, {options.threads} thread(s)")

    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def clocked(step: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        spent[step].append((time.perf_counter() - wall, time.process_time() - cpu))
        return result

    for _ in range(options.rounds):
        queries = clocked("plain: encode", lambda: model.encode(texts, convert_to_tensor=True))
        clocked("plain: search", lambda queries=queries: util.semantic_search(queries, corpus, top_k=K))
        analyse.cache_clear()
        vectors = clocked("ours: embed", lambda: embedder.embed(texts))
        clocked("ours: vector search", lambda vectors=vectors: index._vector_index.search(vectors, K))
        found = clocked("ours: all search", lambda vectors=vectors: index.search(texts, vectors, K))

        def judge(found: list[list[tuple[int, float]]] = found) -> None:
            for text, nearest in zip(texts, found, strict=True):
                for row, cosine in nearest:
                    judge_pair(signals(text, index.problems[row].text, cosine))

        clocked("ours: signals and verdicts", judge)

    best = {step: (min(w for w, _ in times), min(c for _, c in times)) for step, times in spent.items()}
    print(f"{'step':30}{'wall s':>10}{'CPU s':>10}{'problems per CPU s':>20}")
    for step, (wall, cpu) in best.items():
        print(f"{step:30}{wall:10.3f}{cpu:10.3f}{len(texts) / max(cpu, 1e-9):20.1f}")
    for which, name in ((0, "wall"), (1, "CPU")):
        plain = best["plain: encode"][which] + best["plain: search"][which]
        ours = best["ours: embed"][which] + best["ours: vector search"][which]
        everything = best["ours: embed"][which] + best["ours: all search"][which]
        total = everything + best["ours: signals and verdicts"][which]
        print(
            f"{name}: embedding + search {plain / ours:.3f} times plain's speed, with n-grams {plain / everything:.3f}"
        )
        shares = [best[s][which] / total for s in ("ours: embed", "ours: all search", "ours: signals and verdicts")]
        print(f"{name}: shares of embed, search, signals: " + ", ".join(f"{share:.1%}" for share in shares))
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
