"""Which problems an export takes, and which it keeps for tests: by the problem's id alone, so that subsets nest.

Every view of every run sends a problem to the same side, and all traces of a problem go with it: a reward model's
held-out problems are in no training set that was exported with the same `hold_out`.
"""

from __future__ import annotations

from typing import Literal

from factory.store.ids import hash_of

Split = Literal["train", "test"]
TRAIN: Split = "train"
TEST: Split = "test"


def position(problem_id: str, salt: str = "") -> float:
    """A number in [0, 1) that depends on the id alone; another salt gives an independent one."""
    return (hash_of(f"{salt}\0{problem_id}" if salt else problem_id) >> 11) / (1 << 53)


def split_of(problem_id: str, fraction: float, hold_out: float) -> Split | None:
    """The split of a problem; None if it is in no split because only a `fraction` is wanted.

    Held-out problems are the same ones for every fraction, and those of a smaller `hold_out` are among those of a
    larger; so are the training problems of a smaller `fraction`.
    """
    if position(problem_id, "hold_out") < hold_out:
        return TEST
    return TRAIN if position(problem_id) < fraction else None
