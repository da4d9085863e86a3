"""Writes the demo's input: held-back problems with a few oddities, or the benchmark to decontaminate against.

    python -m jobs.demo.problems --n 60 --seed 7 > jobs/demo/problems.jsonl
    python -m jobs.demo.problems --n 60 --seed 7 --benchmark > jobs/demo/benchmark.jsonl

Problems come from the part of the generator that the teacher was never trained on.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter

from jobs.demo.corpus import draw
from jobs.demo.families import FAMILIES

Row = dict[str, str | None]

_NAMES = {"Anna": "Maria", "Ben": "Tom", "Carla": "Lucy", "David": "Paul", "Emma": "Nora", "Felix": "Oscar"}
_OTHERS = {
    "A bag holds 3 red and 5 blue marbles. Two are drawn without looking. How likely is it that both are red?": "3/28",
    "Two fair dice are rolled. What is the probability that the sum of the points is 9?": "1/9",
    "For which positive real number does the logarithm to base 2 equal 7?": "128",
    "What is the largest prime number below one hundred?": "97",
    "In a circle of radius 13, a chord has length 24. How far is it from the centre?": "5",
    "How many zeros does the decimal form of 100 factorial end with?": "24",
    "The roots of a quadratic polynomial with leading coefficient 1 are 4 and -7. What is its constant term?": "-28",
    "Write the binary number 110101 in base ten.": "53",
    "What is the sum of the interior angles of a convex decagon, in degrees?": "1440",
    "A fair coin is tossed until heads shows for the first time. What is the expected number of tosses?": "2",
    "What is the angle between the hands of a clock at half past two, in degrees?": "105",
}
"""Benchmark problems of our own that are like none of the families."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the demo's problems, or its benchmark, as JSON lines.")
    parser.add_argument("--n", type=int, default=60, help="proper problems; five odd rows come on top")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--benchmark", action="store_true", help="write the benchmark that belongs to these problems")
    args = parser.parse_args()
    rows = proper(args.n, args.seed)
    for row in benchmark(rows) if args.benchmark else with_oddities(rows):
        print(json.dumps(row, ensure_ascii=False))


def proper(n: int, seed: int) -> list[Row]:
    """Held-back problems, families in turn, no text twice."""
    rng, rows, seen = random.Random(seed), list[Row](), set[str]()
    names = list(FAMILIES)
    while len(rows) < n:
        exercise = draw(rng, held_back=True)
        if exercise.family == names[len(rows) % len(names)] and exercise.text not in seen:
            seen.add(exercise.text)
            number = f"demo-{len(rows) + 1:03}"
            rows.append(
                {"id": number, "problem": exercise.text, "answer": exercise.latex, "source": f"demo/{exercise.family}"}
            )
    return rows


def with_oddities(rows: list[Row]) -> list[Row]:
    """The rows, and among them what real tables contain: each must become a reject or be dealt with, never a crash."""
    first, second = rows[0], rows[1]
    odd: list[Row] = [
        {"id": "demo-empty", "problem": "", "answer": "4", "source": "demo/odd"},
        {"id": "demo-no-text", "answer": "12", "source": "demo/odd"},
        {**second, "id": first["id"]},
        {"id": "demo-unparsable", "problem": "What is 6 * 7 + 5?", "answer": "\\frac{4", "source": "demo/odd"},
        {
            "id": "demo-no-answer",
            "problem": "Start with 8, add 7 and multiply by 3. What is the result?",
            "source": "demo/odd",
        },
    ]
    mixed = list(rows)
    for position, row in enumerate(odd, 1):
        mixed.insert(position * len(rows) // len(odd), row)
    return mixed


def benchmark(rows: list[Row]) -> list[Row]:
    """Three copies of problems (one exact, one with other names, one with other spacing), and problems that are new."""
    exact, renamed, respaced = one_of_its_kind(rows)
    copies = [
        (exact["problem"], exact),
        (_renamed(str(renamed["problem"])), renamed),
        ("Problem 7.\n  " + str(respaced["problem"]).replace(". ", ".\n  "), respaced),
    ]
    listed = [(str(text), str(row["answer"])) for text, row in copies] + list(_OTHERS.items())
    random.Random(0).shuffle(listed)
    return [{"id": f"bench-{i:02}", "problem": text, "answer": answer} for i, (text, answer) in enumerate(listed, 1)]


def one_of_its_kind(rows: list[Row]) -> list[Row]:
    """Three rows whose wording no other row shares, numbers aside; a name occurs in the second one."""
    kinds = Counter(_kind(row) for row in rows)
    single = [row for row in rows if kinds[_kind(row)] == 1]
    named = next(row for row in single if _renamed(str(row["problem"])) != row["problem"])
    exact, respaced = [row for row in single if row is not named][:2]
    return [exact, named, respaced]


def _kind(row: Row) -> str:
    return re.sub(r"\d+|[A-Z][a-z]+", "#", str(row["problem"]))


def _renamed(text: str) -> str:
    return re.sub(r"[A-Z][a-z]+", lambda match: _NAMES.get(match[0], match[0]), text)


if __name__ == "__main__":
    main()
