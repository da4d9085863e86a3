"""How often votes by equivalence class pick another winner than votes by exact string.

    python tests/bench/verify_votes.py FILE.jsonl

FILE holds samples: rows with problem, expected_answer and generation (whose last box is the answer) or
predicted_answer. Answers are grouped by problem, voted on both ways, and each winner is compared with the expected one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.verify import Checker, cluster, extract_answer, is_missing


async def main(lines: list[str]) -> None:
    samples: dict[str, list[str | None]] = defaultdict(list)
    expected: dict[str, str] = {}
    for line in lines:
        row = json.loads(line)
        answer = extract_answer(row["generation"]) if "generation" in row else row["predicted_answer"]
        samples[row["problem"]].append(answer)
        expected[row["problem"]] = row["expected_answer"]
    found = Counter[str]()
    async with Checker(workers=1, timeout_s=10) as checker:
        for problem, answers in samples.items():
            strings = Counter(a for a in answers if a is not None and not is_missing(a))
            votes = await cluster(answers, checker.equal)
            if not strings or votes.winner is None:
                found["without any answer"] += 1
                continue
            by_string = max(strings, key=lambda a: strings[a])
            found["problems"] += 1
            found["answers"] += votes.total
            found["distinct strings"] += len(strings)
            found["classes"] += len(votes.classes)
            found["problems with fewer classes than strings"] += len(votes.classes) < len(strings)
            found["string votes tied"] += list(strings.values()).count(strings[by_string]) > 1
            found["class votes tied"] += sum(one.count == votes.classes[0].count for one in votes.classes) > 1
            share = strings[by_string] / votes.total
            found["winner's share grew"] += votes.share > share
            found["another winner"] += not (await checker.equal(by_string, votes.winner)).equal
            found["string winner right"] += bool((await checker.equal(expected[problem], by_string)).equal)
            found["class winner right"] += bool((await checker.equal(expected[problem], votes.winner)).equal)
            found["undecided comparisons"] += votes.undecided
    for name, count in found.items():
        print(f"{name}: {count}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
