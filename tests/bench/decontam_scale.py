"""The exact search at the size of a real run: 347 000 problems against 20 000 benchmark problems, on random vectors.

    python tests/bench/decontam_scale.py [--problems 347000] [--benchmarks 20000] [--dimension 384] [--seconds 600]

How long a search takes does not depend on what the vectors mean. With `--seconds` it stops early, and scales what it
did up to all problems, which it says. Embedding is measured by decontam_speed.py.
"""

from __future__ import annotations

import argparse
import resource
import time

import faiss
import numpy as np

from factory.decontaminate.index import VectorIndex, kind_of

K = 5
ROWS_PER_SEARCH = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=347_000)
    parser.add_argument("--benchmarks", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    index = VectorIndex(unit(random, options.benchmarks, options.dimension))
    done, wall, cpu = 0, 0.0, 0.0
    while done < options.problems and wall < options.seconds:
        queries = unit(random, min(ROWS_PER_SEARCH, options.problems - done), options.dimension)
        wall_before, cpu_before = time.perf_counter(), time.process_time()
        index.search(queries, K)
        wall, cpu = wall + time.perf_counter() - wall_before, cpu + time.process_time() - cpu_before
        done += len(queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = done / options.problems
    print(f"{kind_of(options.benchmarks)}, {faiss.omp_get_max_threads()} threads: {done:,} of {options.problems:,} "
          f"problems against {options.benchmarks:,}: {wall:.1f} s wall, {cpu:.1f} s CPU")  # fmt: skip
    if share < 1:
        print(f"all of them, at the same speed: {wall / share:.0f} s wall, {cpu / share:.0f} s CPU")
    flop = 2 * options.problems * options.benchmarks * options.dimension * share
    print(f"{flop / cpu / 1e9:.0f} GFLOP per CPU second; memory before {before:.0f} MB, at most {peak:.0f} MB")


def unit(random: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    vectors = random.standard_normal((rows, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
