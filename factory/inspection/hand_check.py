"""A sheet of judged samples for people to check, and what their checks say of how often verdicts are wrong.

Samples are drawn from strata (who decided, and how), the same number from each, so that rare rules are looked at too;
over all samples each stratum weighs what it is large. The sheet is a CSV file that any spreadsheet opens.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.planning.pilot import Z, proportion
from factory.records import Verdict, tool_name
from factory.store.run import Run

COLUMNS = [
    "same", "stratum", "stratum_size", "problem", "reference", "answer", "verdict", "symbolic", "judge", "majority",
    "problem_id", "mode", "tool", "sample", "uid",
]  # fmt: skip
"""`same` is for the reader to fill in: yes or no, is the answer the same as the reference?"""
_READ = ["problem.id", "problem.text", "reference", "judgements"]
_WORDS = {True: "yes", False: "no", None: "-"}
_ANSWERS = {"yes": True, "y": True, "1": True, "no": False, "n": False, "0": False}


@dataclass(frozen=True, slots=True)
class Stratum:
    """What was found in one stratum: samples in all, checked ones, verdicts that the checker calls wrong."""

    name: str
    size: int
    checked: int
    wrong: int

    @property
    def rate(self) -> dict[str, float]:
        """Share of wrong verdicts with its 95 % interval: low, likely, high."""
        return proportion(self.wrong, self.checked)


def draw(uri: str, each: int = 10, seed: int = 0) -> list[dict[str, str]]:
    """Rows of a sheet: `each` judged samples of every stratum of a run. The same call draws the same rows."""
    shelves: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for row in _judged(Run.attach(uri)):
        stratum = f"{row['method']}: {'undecided' if row['equal'] is None else _WORDS[row['equal']]}"
        sizes[stratum] += 1
        rank = hashlib.blake2b(f"{seed} {row['problem_id']} {row['uid']}".encode(), digest_size=8).digest()
        entry = (-int.from_bytes(rank, "big"), row["uid"], row)
        if len(shelves[stratum]) < each:
            heapq.heappush(shelves[stratum], entry)
        else:
            heapq.heappushpop(shelves[stratum], entry)
    return [
        _line(stratum, sizes[stratum], row) for stratum in sorted(shelves) for _, _, row in sorted(shelves[stratum])
    ]


def write(path: str | Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a sheet, but never over one that is there: somebody may have filled it in."""
    try:
        with Path(path).open("x", encoding="utf-8", newline="", errors="replace") as file:
            sheet = csv.DictWriter(file, COLUMNS)
            sheet.writeheader()
            sheet.writerows(rows)
    except FileExistsError:
        raise FactoryError(
            f"{path} already exists", remedy="check that one, or give the new sheet another name"
        ) from None
    except OSError as error:
        raise FactoryError(f"cannot write {path}", why=error.strerror or str(error)) from None


def read(path: str | Path) -> list[dict[str, str]]:
    """The rows of a sheet. Raises `FactoryError` for a file that is none, or an entry that is neither yes nor no."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FactoryError(f"cannot read {path}", why=str(error)) from None
    for number, row in enumerate(rows, 2):
        if missing := [name for name in ("same", "stratum", "stratum_size", "verdict") if row.get(name) is None]:
            raise FactoryError(f"{path} is not a sheet to check by hand", why=f"it lacks {', '.join(missing)}")
        if (word := row["same"].strip().lower()) and word not in _ANSWERS:
            raise FactoryError(f"{path}:{number}: same is {row['same']!r}", remedy="write yes or no, or leave it empty")
    return rows


def score(rows: Sequence[Mapping[str, str]]) -> list[Stratum]:
    """What the checks say of each stratum; an undecided sample that a checker calls the same was missed: wrong, too."""
    checked, wrong, sizes = Counter[str](), Counter[str](), dict[str, int]()
    for row in rows:
        sizes[row["stratum"]] = int(row["stratum_size"])
        if word := row["same"].strip().lower():
            checked[row["stratum"]] += 1
            wrong[row["stratum"]] += _ANSWERS[word] != (row["verdict"] == "yes")
    return [Stratum(name, size, checked[name], wrong[name]) for name, size in sizes.items()]


def overall(strata: Sequence[Stratum]) -> tuple[float, float, float]:
    """(share of wrong verdicts over the strata that were checked, half its 95 % interval, share of samples in them)."""
    looked = [stratum for stratum in strata if stratum.checked]
    total = sum(stratum.size for stratum in looked)
    if not total:
        return 0.0, 1.0, 0.0
    rate = variance = 0.0
    for stratum in looked:
        weight = stratum.size / total
        near = (stratum.wrong + 1) / (stratum.checked + 2)  # never zero, so that few checks are not certainty
        rate += weight * stratum.wrong / stratum.checked
        variance += weight**2 * near * (1 - near) / stratum.checked
    return rate, Z * math.sqrt(variance), total / sum(stratum.size for stratum in strata)


def _judged(run: Run) -> Iterator[dict[str, Any]]:
    """Every judged sample with its problem, a part at a time."""
    for _, _, table in run.reader().counted(Verdict, _READ):
        for row in table.to_pylist():
            about = {
                "problem_id": row["problem"]["id"],
                "problem": row["problem"]["text"],
                "reference": row["reference"],
            }
            yield from (about | judgement for judgement in row["judgements"])


def _line(stratum: str, size: int, row: Mapping[str, Any]) -> dict[str, str]:
    opinions = {name: _WORDS[row[name]] for name in ("symbolic", "judge", "majority")}
    copied = {name: str(row[name]) for name in ("problem", "reference", "problem_id", "mode", "sample", "uid")}
    return {
        "same": "",
        "stratum": stratum,
        "stratum_size": str(size),
        "answer": "" if row["answer"] is None else str(row["answer"]),
        "verdict": _WORDS[row["equal"]],
        "tool": tool_name(row["tool"]),
        **opinions,
        **copied,
    }
