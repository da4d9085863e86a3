"""What a run says of how far it is, and what becomes of a line that cannot be said."""

from __future__ import annotations

import threading

import pytest

from factory.report.progress import RunProgress
from factory.store.counts import JournalCounts, SampleCount

LIMIT_S = 60.0


class Ledger:
    """Counts as the ledger gives them, of a run that another start had begun."""

    def __init__(self):
        self.finished, self.tokens = 1, 500
        self.lost = False

    def counts(self):
        if self.lost:
            raise ConnectionError
        return JournalCounts(finished=self.finished, samples={"high/none": SampleCount(2 * self.finished, self.tokens)})


@pytest.fixture
def ledger():
    return Ledger()


def test_the_last_line_tells_the_end_and_only_what_this_start_generated(ledger):
    said, watched = [], []
    progress = RunProgress(ledger.counts, said.append, problems=4, every_s=3600, watch=watched.append)
    with progress.reported():
        ledger.finished, ledger.tokens = 4, 900
    (line,) = said
    assert "4/4 problems (100%), 8 samples journaled" in line
    assert progress.tokens == 400
    assert watched == [ledger.counts()]


def test_counts_that_do_not_come_cost_a_line(ledger):
    said, spoke = [], threading.Event()

    def emit(line):
        said.append(line)
        spoke.set()

    with RunProgress(ledger.counts, emit, problems=4, every_s=0.01).reported():
        ledger.lost = True
        spoke.clear()
        assert spoke.wait(LIMIT_S)
        ledger.lost = False
    assert any(line.endswith("no counts just now (ConnectionError)") for line in said)
    assert "1/4 problems (25%)" in said[-1]


def test_an_error_is_not_kept_waiting_for_counts(ledger):
    said, asked, never = [], threading.Event(), threading.Event()

    def counts():
        if threading.current_thread().name == "progress":
            asked.set()
            never.wait(LIMIT_S)
        return ledger.counts()

    def fail():
        assert asked.wait(LIMIT_S)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), RunProgress(counts, said.append, problems=4, every_s=0.01).reported():
        fail()
    assert said == []
    never.set()
