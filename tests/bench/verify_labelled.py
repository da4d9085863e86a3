"""How the checker's verdicts compare with labels, by kind of pair.

    python tests/bench/verify_labelled.py FILE.jsonl... [--show WHAT] [--rounded-digits N] [--label FIELD]

FILE holds {"id", "gold", "prediction", "equal", "kind"} rows (`kind` may be missing). A false "equal" poisons a
dataset and comes first; a false "unequal" loses a right trace; what is undecided goes to the judge. `--show` prints the
pairs of one outcome (false_equal, false_unequal, undecided_equal, undecided_unequal).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.recipe import EquivalencePolicy
from factory.verify import equivalent

OUTCOMES = {
    (True, True): "right",
    (False, False): "right",
    (True, False): "false_unequal",
    (False, True): "false_equal",
    (True, None): "undecided_equal",
    (False, None): "undecided_unequal",
}
"""(label, verdict) -> what it is called."""
COLUMNS = ("right", "false_equal", "false_unequal", "undecided_equal", "undecided_unequal")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("files", type=Path, nargs="+")
    options.add_argument("--show", choices=COLUMNS, nargs="*", default=[])
    options.add_argument("--label", default="equal", help="the field that holds the label")
    options.add_argument("--rounded-digits", type=int, default=None, help="0 for exact values only")
    given = options.parse_args()
    policy = EquivalencePolicy()
    if given.rounded_digits is not None:
        policy = EquivalencePolicy(rounded_digits=given.rounded_digits or None)
    for path in given.files:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        report(path.name, [row for row in rows if row[given.label] is not None], given.label, policy, given.show)


def report(name: str, rows: list[dict[str, Any]], label: str, policy: EquivalencePolicy, show: list[str]) -> None:
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    shown: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        verdict = equivalent(row["gold"], row["prediction"], policy)
        outcome = OUTCOMES[row[label], verdict.equal]
        by_kind[str(row.get("kind"))][outcome] += 1
        shown[outcome].append(
            f"  {row['id']} [{row.get('kind')}] {row['gold']!r} | {row['prediction']!r} "
            f"({verdict.method}{': ' + verdict.detail if verdict.detail else ''})"
        )
    total = sum(by_kind.values(), Counter[str]())
    labels = Counter(row[label] for row in rows)
    print(f"{name}: {len(rows)} pairs, {labels[True]} equal, {labels[False]} not")
    print(f"{'kind':>40}  " + "  ".join(f"{column:>17}" for column in COLUMNS))
    for kind, counts in [*sorted(by_kind.items()), ("all", total)]:
        if counts["right"] < sum(counts.values()) or kind == "all":
            print(f"{kind:>40}  " + "  ".join(f"{counts[column] or '':>17}" for column in COLUMNS))
    for of, column in ((True, "false_unequal"), (True, "undecided_equal"), (False, "false_equal")):
        print(f"{column}: {total[column] / max(labels[of], 1):.2%} of the {'equal' if of else 'unequal'} ones")
    print(f"right: {total['right'] / len(rows):.2%}")
    for outcome in show:
        print(f"{outcome}:", *shown[outcome], sep="\n")


if __name__ == "__main__":
    main()
