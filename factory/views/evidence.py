"""Columns of the second version of the published row: what the vote said, what became of the source's answer, how every
regime did in counts, and which run the problem was read from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from factory.records import Mode, Verdict
from factory.sources.stored_run import RunOrigin

_VOTE = pa.struct([("answer", pa.string()), ("count", pa.int32())])
_REGIME = pa.struct(
    [
        ("mode", pa.string()),
        ("with_tool", pa.bool_()),
        ("count", pa.int32()),
        ("passed", pa.int32()),
        ("undecided", pa.int32()),
    ]
)
EVIDENCE = [
    pa.field("reference_change", pa.string()),
    pa.field("reference_votes", pa.int32()),
    pa.field("vote_share", pa.float64()),
    pa.field("votes", pa.list_(_VOTE)),
    pa.field("regimes", pa.list_(_REGIME)),
    pa.field("source_run", pa.string()),
    pa.field("source_version", pa.int32()),
]
REPETITIVE = ["reference_change", "source_run"]


def evidence(verdict: Verdict) -> dict[str, Any]:
    """The values of `EVIDENCE` for the rows of one problem."""
    origin = RunOrigin.of(verdict.problem.position)
    return {
        "reference_change": verdict.reference_change,
        "reference_votes": verdict.reference_votes,
        "vote_share": verdict.vote_share,
        "votes": [{"answer": answer, "count": count} for answer, count in verdict.votes.items()],
        "regimes": _regimes(verdict),
        "source_run": origin.uri if origin else None,
        "source_version": origin.version if origin else None,
    }


def _regimes(verdict: Verdict) -> list[dict[str, Any]]:
    """Counts of the regimes that samples were drawn in. `count` leaves out what could not be judged."""
    undecided = Counter[tuple[Mode, bool]]((j.mode, j.tool) for j in verdict.judgements if j.equal is None)
    return [
        {
            "mode": regime.mode.value,
            "with_tool": regime.tool,
            "count": regime.count,
            "passed": regime.passed,
            "undecided": undecided[regime.mode, regime.tool],
        }
        for regime in verdict.regimes
        if regime.count or undecided[regime.mode, regime.tool]
    ]
