"""Votes by equivalence class: samples that say the same in different words vote together.

The released recipe counts exact strings (NeMo-Skills' majority fill) and names the clustering of equivalent answers as
open work. Answers are bucketed by normal form first, so that few pairs are ever compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from factory.verify.normalise import normal_form
from factory.verify.result import Equal

NO_ANSWER = frozenset({"", "no_valid_answer_found", "None"})
"""What stands for "nothing": the empty box, the sentinel of the released majority fill, a printed None."""


@dataclass(frozen=True, slots=True)
class VoteClass:
    """Answers that are equal: their most frequent spelling, and the positions of the samples that gave them."""

    representative: str
    members: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Votes:
    """All samples of one problem, sorted into classes: the largest first, among equals the one seen first."""

    classes: tuple[VoteClass, ...]
    missing: tuple[int, ...]
    """Positions of samples without an answer: None, empty, or a sentinel."""
    undecided: int = 0
    """Comparisons that ended undecided. The two answers then stand in different classes."""
    doubtful: bool = False
    """Whether classes that may be one, by comparisons that ended undecided, would together outvote the winner."""
    conflicts: int = 0
    """Spellings that equal answers of two classes which are not equal to each other, such as 10% beside 10 and 0.1."""

    @property
    def total(self) -> int:
        """Samples with an answer."""
        return sum(c.count for c in self.classes)

    @property
    def winner(self) -> str | None:
        """The majority's answer; in a tie the class seen first, as in the released recipe; None without any answer."""
        return self.classes[0].representative if self.classes else None

    @property
    def share(self) -> float:
        """The winner's votes over all samples that have an answer, 0 without any."""
        return self.classes[0].count / self.total if self.classes else 0.0

    def counts(self) -> dict[str, int]:
        """Representative -> votes, as `records.Verdict.votes` holds them."""
        return {c.representative: c.count for c in self.classes}


def is_missing(answer: str | None) -> bool:
    """Whether a sample gave no answer: None, blank, or a sentinel."""
    return answer is None or answer.strip() in NO_ANSWER


async def cluster(answers: Sequence[str | None], equal: Equal) -> Votes:
    """Sort answers into equivalence classes, which do not depend on the order of the samples.

    Spellings with one normal form are one bucket. Buckets are taken in an order of their own (most votes first, then
    the shorter and the alphabetically earlier normal form), each is compared with the founder of every class, joins the
    first one that it equals and founds a class if there is none. At most one comparison per pair of distinct normal
    forms. Equivalence by policy need not be transitive (10, 10%, 0.1): a bucket that equals the founders of two classes
    joins the first and counts as a conflict, since two classes that are known to differ are never made one.
    """
    missing = tuple(i for i, answer in enumerate(answers) if is_missing(answer))
    buckets: dict[str, list[int]] = {}
    for position, answer in enumerate(answers):
        if answer is not None and not is_missing(answer):
            buckets.setdefault(normal_form(answer), []).append(position)
    founded: list[tuple[str, list[int]]] = []
    undecided = conflicts = 0
    open_pairs: list[tuple[list[int], list[int]]] = []  # members of classes that may be the same
    for form in sorted(buckets, key=lambda f: (-len(buckets[f]), len(f), f)):
        positions = buckets[form]
        spelling = min(answers[position] or "" for position in positions)
        verdicts = [(members, (await equal(founder, spelling)).equal) for founder, members in founded]
        equals = [members for members, same in verdicts if same]
        may_be = [members for members, same in verdicts if same is None]
        joined = equals[0] if equals else list(positions)
        if equals:
            joined.extend(positions)
        else:
            founded.append((spelling, joined))
        conflicts += len(equals) > 1
        undecided += len(may_be)
        open_pairs += [(joined, members) for members in may_be]
    classes = [VoteClass(_usual_spelling(answers, members), tuple(sorted(members))) for _, members in founded]
    classes.sort(key=lambda c: (-c.count, c.members[0]))
    return Votes(tuple(classes), missing, undecided, _doubtful(classes, open_pairs), conflicts)


def _doubtful(classes: list[VoteClass], open_pairs: list[tuple[list[int], list[int]]]) -> bool:
    """Whether some classes other than the winner's, linked by open comparisons, have more votes than it together."""
    place = {position: number for number, c in enumerate(classes) for position in c.members}
    links = {(place[one[0]], place[other[0]]) for one, other in open_pairs}
    group = list(range(len(classes)))  # of each class; groups are merged along the links
    for one, other in links:
        if one and other and one != other:  # class 0 is the winner's: what joins it only makes it larger
            group = [group[one] if g == group[other] else g for g in group]
    votes = Counter[int]()
    for number, c in enumerate(classes):
        votes[group[number]] += c.count
    return bool(classes) and max(votes.values()) > classes[0].count


def _usual_spelling(answers: Sequence[str | None], members: list[int]) -> str:
    spellings: dict[str, int] = {}
    for position in sorted(members):
        spelling = (answers[position] or "").strip()
        spellings[spelling] = spellings.get(spelling, 0) + 1
    return max(spellings, key=lambda s: spellings[s])  # the first seen among equals
