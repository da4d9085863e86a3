"""Real threads through the sources and curate, with a curator that answers from a key written by hand."""

from __future__ import annotations

from collections import Counter

from factory.programs.curate import MALFORMED, curate
from factory.records import Problem, Reject
from tests.programs.keyed import Curator, keyed_threads


async def test_thirty_real_threads_come_out_as_the_key_says(shared_data):
    threads = keyed_threads(shared_data)
    assert len(threads) == 30
    funnel: Counter[str] = Counter()
    for thread, facts in threads:
        rows = await curate(thread, Curator(thread, facts))
        assert len(rows) == max(1, len(facts))
        for number, row in enumerate(rows):
            if isinstance(row, Reject):
                expected = facts[number]["class"] if facts else "no_problem"
                assert (row.reason, row.detail.startswith("malformed")) == (expected, False)
                funnel[row.reason] += 1
                continue
            assert isinstance(row, Problem)
            assert (row.answer, row.position, MALFORMED in row.steps) == (
                facts[number]["answer"],
                thread.position,
                False,
            )
            assert bool(row.contributors) == (row.answer is not None)
            funnel["with an answer" if row.answer else "without an answer"] += 1
    assert funnel == {
        "no_problem": 3,
        "proof": 10,
        "binary": 3,
        "invalid": 2,
        "with an answer": 9,
        "without an answer": 6,
    }
