"""Two evaluations of the same problems, pair by pair: which is better, how sure that is, and which problems changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from factory.errors import FactoryError
from factory.evaluation import samples
from factory.evaluation.intervals import Comparison, compare
from factory.evaluation.results import Samples, gather, scores


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedProblem:
    """A problem that one model's majority gets right and the other's does not."""

    problem_id: str
    first: float
    """Share of right samples of the first model..."""
    second: float
    gained: bool
    """Whether the second model's majority is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One metric of one configuration, second less first."""

    mode: str
    tool: bool
    metric: str
    comparison: Comparison
    changed: list[ChangedProblem]

    @property
    def warning(self) -> str:
        """What so few problems cannot tell; empty where the difference is found."""
        found = self.comparison
        if found.differs or found.detectable is None:
            return ""
        needed = f"; about {found.problems_needed:,} would find this one" if found.problems_needed else ""
        return (
            f"{found.difference.problems} problems cannot tell these two apart: they would find a difference of "
            f"{100 * found.detectable:.1f} points with a chance of 80 %{needed}"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "differs": self.comparison.differs, "warning": self.warning}


def compare_runs(first: str, second: str, *, shared: bool = False) -> list[Paired]:
    """pass@1 and the majority of all samples, in every configuration that both runs have.

    Raises `FactoryError` where the runs have other problems (unless `shared` takes those that both have), the same
    problems with other references, or no configuration in common.
    """
    one, other = ({(s.mode, s.tool): s for s in gather(samples.rows(uri))} for uri in (first, second))
    common = [key for key in one if key in other]
    if not common:
        raise FactoryError(
            f"{first} and {second} have no configuration in common",
            why=f"{_named(one)} against {_named(other)}",
            remedy="evaluate both in the same modes, with Python or without",
        )
    _refuse_other_problems(first, second, one[common[0]], other[common[0]], shared)
    return [pair for key in common for pair in _pairs(*_aligned(one[key], other[key]))]


def _pairs(one: Samples, other: Samples) -> Iterator[Paired]:
    rates = scores(one, "pass@1"), scores(other, "pass@1")
    # a smaller vote is compared with a smaller one: with more samples the majority alone would be better
    size = min(one.outcomes.shape[1], other.outcomes.shape[1])
    votes = scores(one, f"maj@{size}"), scores(other, f"maj@{size}")
    changed = [
        ChangedProblem(problem_id=name, first=float(a), second=float(b), gained=bool(w > v))
        for name, a, b, v, w in zip(one.ids, *rates, *votes, strict=True)
        if {v, w} == {0.0, 1.0}  # a tied vote, or an undecided one, counts for neither
    ]
    for metric, (before, after) in (("pass@1", rates), (f"maj@{size}", votes)):
        shown = changed if metric != "pass@1" else []
        yield Paired(mode=one.mode, tool=one.tool, metric=metric, comparison=compare(before, after), changed=shown)


def _aligned(one: Samples, other: Samples) -> tuple[Samples, Samples]:
    """Both with the problems that both have, in one order."""
    ids = sorted(set(one.ids) & set(other.ids))
    places = ({name: place for place, name in enumerate(s.ids)} for s in (one, other))
    first, second = (np.array([where[name] for name in ids], np.int64) for where in places)
    return one.of(first), other.of(second)


def _refuse_other_problems(first: str, second: str, one: Samples, other: Samples, shared: bool) -> None:
    both = set(one.ids) & set(other.ids)
    if not both or (not shared and set(one.ids) != set(other.ids)):
        raise FactoryError(
            f"{first} and {second} were not evaluated on the same problems",
            why=f"{len(one.ids):,} and {len(other.ids):,} problems, {len(both):,} of them the same",
            remedy="evaluate both on the same sources"
            + (", or compare on those that both have: --shared" if both else ""),
        )
    known = dict(zip(one.ids, one.references, strict=True))
    if other_answer := [i for i, r in zip(other.ids, other.references, strict=True) if known.get(i, r) != r]:
        raise FactoryError(
            f"{first} and {second} have different answers to {other_answer[0]!r}",
            why=f"{len(other_answer):,} of their problems have another reference",
            remedy="evaluate both on the same version of their sources",
        )


def _named(configurations: dict[tuple[str, bool], Samples]) -> str:
    return ", ".join(f"{mode} {'with Python' if tool else 'without'}" for mode, tool in configurations)
