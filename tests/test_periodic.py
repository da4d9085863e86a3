"""What is done every few seconds beside a block: how it starts, ends, and what an error in either does."""

from __future__ import annotations

import threading

import pytest

from factory.periodic import every

LIMIT_S = 60.0


class Calls:
    """A task that counts its calls and can be waited for."""

    def __init__(self, error=None):
        self.n, self.thread, self._error, self._more = 0, None, error, threading.Condition()

    def __call__(self):
        with self._more:
            self.n, self.thread = self.n + 1, threading.current_thread()
            self._more.notify_all()
        if self._error:
            raise self._error

    def reach(self, n):
        with self._more:
            assert self._more.wait_for(lambda: self.n >= n, LIMIT_S)


def test_it_is_done_again_and_again_until_the_block_ends():
    task = Calls()
    with every(0.01, task, name="t"):
        task.reach(3)
    assert not task.thread.is_alive()
    assert (task.thread.name, task.thread.daemon) == ("t", True)


def test_the_first_turn_comes_after_its_time_and_the_last_word_even_so():
    task, last = Calls(), Calls()
    with every(3600, task, name="t", last=last):
        assert last.n == 0
    assert (task.n, last.n) == (0, 1)


def test_a_turn_under_way_is_waited_for_and_the_last_word_comes_after_it():
    said, under_way, go_on = [], threading.Event(), threading.Event()

    def turn():
        under_way.set()
        assert go_on.wait(LIMIT_S)
        said.append("turn")

    with every(0.01, turn, name="t", last=lambda: said.append("last")):
        assert under_way.wait(LIMIT_S)
        threading.Timer(0.2, go_on.set).start()
    assert said[-1] == "last"
    assert set(said[:-1]) == {"turn"}


def test_an_error_in_the_block_goes_on_up_after_the_last_word():
    last = Calls()
    with pytest.raises(ZeroDivisionError), every(3600, Calls(), name="t", last=last):
        _ = 1 / 0
    assert last.n == 1


@pytest.mark.parametrize("grace_s", [0.0, 0.1])
def test_what_hangs_does_not_keep_an_error_from_its_reader(grace_s):
    under_way, never = threading.Event(), threading.Event()

    def hang():
        under_way.set()
        never.wait(LIMIT_S)

    def fail():
        assert under_way.wait(LIMIT_S)
        raise ZeroDivisionError

    last = Calls()
    with pytest.raises(ZeroDivisionError), every(0.01, hang, name="t", last=last, grace_s=grace_s):
        fail()
    assert last.n == 0
    never.set()
    last.reach(1)  # late, and said all the same


def test_a_turn_that_fails_is_logged_and_the_next_one_comes(caplog):
    task, last = Calls(ConnectionError("the head is gone")), Calls(ConnectionError("still gone"))
    with every(0.01, task, name="lease", last=last):
        task.reach(2)
    assert "lease failed this time" in caplog.text
    assert "the head is gone" in caplog.text
    assert "still gone" in caplog.text
