"""What another checker would have said: all answers of real traces, pair by pair within each problem, two ladders.

    python tests/bench/verify_audit.py FILE.jsonl... --old FOLDER [--show]

FILE holds samples: rows with problem (or problem_id) and predicted_answer, or generation or a list of generations whose
box or statement is the answer; expected_answer counts as one more answer. FOLDER holds an earlier checkout of this
repository (`git worktree add FOLDER REVISION`); its ladder runs in a process of its own. Pairs that are one string are
left out. Printed: how often the two differ, by (old, new), and with --show every pair that differs, to be read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
LADDER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from factory.verify import equivalent
for line in sys.stdin:
    verdict = equivalent(*json.loads(line))
    print(json.dumps([verdict.equal, verdict.method, verdict.detail]))
"""
WORDS = {True: "equal", False: "unequal", None: "undecided"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("files", type=Path, nargs="+")
    options.add_argument("--old", type=Path, required=True)
    options.add_argument("--show", action="store_true")
    given = options.parse_args()
    pairs = [pair for path in given.files for pair in pairs_of(path)]
    old, new = verdicts(given.old, pairs), verdicts(HERE, pairs)
    table = Counter((a[0], b[0]) for a, b in zip(old, new, strict=True))
    print(
        f"{len(pairs)} pairs of different strings; the ladders differ on {sum(table[k] for k in table if k[0] != k[1])}"
    )
    for (before, after), n in sorted(table.items(), key=lambda item: -item[1]):
        print(f"{WORDS[before]:>10} -> {WORDS[after]:<10} {n:>6}")
    if given.show:
        for pair, a, b in zip(pairs, old, new, strict=True):
            if a[0] != b[0]:
                print(f"{WORDS[a[0]]} ({a[1]}) -> {WORDS[b[0]]} ({b[1]}: {b[2]}): {pair[0]!r} | {pair[1][-300:]!r}")


def pairs_of(path: Path) -> list[tuple[str, str]]:
    """Every two different answers to one problem, and the expected answer with every text that a model wrote."""
    answers: dict[str, dict[str, None]] = defaultdict(dict)
    texts: list[tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        problem = str(row.get("problem") or row.get("problem_id") or row.get("question"))
        expected, text = row.get("expected_answer"), row.get("generation")
        for found in (expected, row.get("predicted_answer")):
            if isinstance(found, str) and found.strip():
                answers[problem].setdefault(found.strip())
        if isinstance(expected, str) and isinstance(text, str):
            texts.append((expected, text))
    return [*(pair for found in answers.values() for pair in combinations(found, 2)), *texts]


def verdicts(checkout: Path, pairs: list[tuple[str, str]]) -> list[Any]:
    """[equal, method, detail] of each pair by the ladder of a checkout."""
    lines = "\n".join(json.dumps(pair) for pair in pairs)
    outcome = subprocess.run(
        [sys.executable, "-c", LADDER, str(checkout)], input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in outcome.stdout.splitlines()]


if __name__ == "__main__":
    main()
