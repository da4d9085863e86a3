"""What changed between a run and the one that it was derived from: endings, references, difficulties, judgements."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from factory.report.html import Section, table

EXAMPLES = 5
"""Kept to read, of each change."""
Change = tuple[str, str]
"""What it was, and what it is now."""
WORDS = {True: "right", False: "wrong", None: "undecided"}


@dataclass(slots=True)
class Differences:
    """Counts of every problem and answer by what it was and what it is; those of disjoint sets of problems add up."""

    problems: Counter[Change] = field(default_factory=Counter)  # by ending: "verdict", or the reason of the reject
    answers: Counter[Change] = field(default_factory=Counter)  # of problems with a verdict in both
    references: int = 0  # of these problems, how many have another reference
    difficulties: int = 0  # of these problems, how many have another low-mode pass rate
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # "was -> is": answers to read

    def __add__(self, other: Differences) -> Differences:
        examples = {
            change: (self.examples.get(change, []) + other.examples.get(change, []))[:EXAMPLES]
            for change in sorted({*self.examples, *other.examples})
        }
        return Differences(
            self.problems + other.problems,
            self.answers + other.answers,
            self.references + other.references,
            self.difficulties + other.difficulties,
            examples,
        )

    @property
    def unfinished(self) -> int:
        """Problems that have not ended yet."""
        return sum(n for (_, now), n in self.problems.items() if now == "unfinished")

    def count_answer(self, was: bool | None, now: bool | None, example: dict[str, Any]) -> None:
        change = WORDS[was], WORDS[now]
        self.answers[change] += 1
        if was is not now:
            kept = self.examples.setdefault(f"{change[0]} -> {change[1]}", [])
            if len(kept) < EXAMPLES:
                kept.append(example)

    def to_json(self) -> bytes:
        values = {
            "problems": [[*change, n] for change, n in sorted(self.problems.items())],
            "answers": [[*change, n] for change, n in sorted(self.answers.items())],
            "other_reference": self.references,
            "other_difficulty": self.difficulties,
            "examples": self.examples,
        }
        return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_json(data: bytes) -> Differences:
        values = json.loads(data)
        problems, answers = (
            Counter({(was, now): n for was, now, n in values[name]}) for name in ("problems", "answers")
        )
        return Differences(problems, answers, values["other_reference"], values["other_difficulty"], values["examples"])


def markdown(found: Differences) -> str:
    """The differences as a section of a card."""
    lines = [_lead(found)]
    for heads, changes in (("problem", found.problems), ("answer", found.answers)):
        lines += ["", f"| {heads} was | is | how many |", "|---|---|---:|"]
        lines += [f"| {was} | {now} | {n:,} |" for was, now, n in _rows(changes)]
    return "\n".join(lines)


def section(found: Differences) -> Section:
    """The differences as a section of a run's page."""
    body = table(["problem was", "is", "how many"], _rows(found.problems), words=2)
    body += table(["answer was", "is", "how many"], _rows(found.answers), words=2)
    shown = [
        [change, row["problem"], row["reference"], row["answer"], row["method"]]
        for change, rows in found.examples.items()
        for row in rows
    ]
    heads = ["change", "problem", "reference", "answer", "decided by"]
    body += f"<details><summary>Some of each</summary>{table(heads, shown, words=5)}</details>" if shown else ""
    return Section("differences", "Differences to the source run", body, _lead(found))


def _lead(found: Differences) -> str:
    both = found.problems[("verdict", "verdict")]
    return (
        f"Of {both:,} problems with a verdict in both runs, {found.references:,} have another reference and "
        f"{found.difficulties:,} another difficulty."
    )


def _rows(changes: Counter[Change]) -> list[list[Any]]:
    return [[was, now, n] for (was, now), n in _by_count(changes.items())]


def _by_count(items: Iterable[tuple[Change, int]]) -> list[tuple[Change, int]]:
    return sorted(items, key=lambda item: (-item[1], item[0]))
