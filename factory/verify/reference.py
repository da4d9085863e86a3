"""Settle a problem's reference answer from what the forum says and what high-effort samples answer.

The rule is Nemotron-Math's: keep the forum's answer if at least one high-mode sample agrees with it, else take the
majority of the samples. Original and change stay visible. Everything is judged again against the settled reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factory.verify.result import Equal, Equivalence
from factory.verify.votes import Votes, cluster, is_missing


@dataclass(frozen=True, slots=True)
class SettledReference:
    """The outcome. `reference` is None if neither the forum nor any sample has an answer."""

    reference: str | None
    original: str | None
    changed_to_majority: bool
    """The reference came from the vote: the forum had no answer, or no sample agreed with it."""
    agreeing: int
    """Samples equal to `original`; 0 if there is none."""
    votes: Votes
    verdicts: tuple[Equivalence | None, ...]
    """Each sample against `original`; None if there is no original or the sample has no answer."""


async def settle_reference(
    original: str | None, answers: Sequence[str | None], equal: Equal, min_share: float = 0.0
) -> SettledReference:
    """Settle the reference from the forum's answer (`original`) and the high-mode samples' answers.

    * no original: the majority of the samples;
    * an original and at least one sample that agrees: the original;
    * an original and none that agrees: the majority, and the original where no sample has an answer at all.

    The last case keeps an answer that nothing speaks against; the released recipe does the same. `equal` may ask an
    LLM judge. What stays undecided does not count as agreeing, nor as speaking against: a majority that is not known to
    differ from the original does not replace it, and where the vote itself is in doubt there is no majority. Nor is
    there one where the winner has less than `min_share` of the votes (`Votes.share`); the released recipe takes any.
    """
    kept = None if is_missing(original) else original
    votes = await cluster(answers, equal)
    winner = None if votes.doubtful or votes.share < min_share else votes.winner
    if kept is None:
        return SettledReference(winner, None, winner is not None, 0, votes, (None,) * len(answers))
    verdicts = tuple([None if a is None or is_missing(a) else await equal(kept, a) for a in answers])
    agreeing = sum(v is not None and v.equal is True for v in verdicts)
    known_to_differ = winner is not None and (await equal(kept, winner)).equal is False
    if agreeing or winner is None or not known_to_differ:
        return SettledReference(kept, original, False, agreeing, votes, verdicts)
    return SettledReference(winner, original, True, 0, votes, verdicts)
