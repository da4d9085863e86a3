"""Whether it was the machine: by the words of an error, and by what a probe in another process says."""

from __future__ import annotations

import pytest

from factory.engines import machine
from factory.errors import FactoryError


def caused(words):
    try:
        try:
            raise RuntimeError(words)
        except RuntimeError as error:
            raise FactoryError("vLLM cannot start m", why="see above") from error
    except FactoryError as error:
        return error


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: an illegal memory access was encountered",
        "NCCL error in: ../ProcessGroupNCCL.cpp:3690, unhandled system error",
        "[Errno 28] No space left on device: '/mnt/cache/x'",
        "first line\nCUDA driver initialization failed, you might not have a CUDA gpu.\nlast line",
    ],
)
def test_errors_of_a_machine_are_told_by_the_line_that_says_so(words):
    told = machine.find_fault(caused(words), gpus=False)
    assert told is not None
    assert "last line" not in told


def test_the_recipe_s_mistakes_are_not_the_machine_s():
    assert machine.find_fault(caused("max_model_len (4096) is greater than 2048"), gpus=False) is None
    assert machine.find_fault(caused("CUDA out of memory. Tried to allocate 2 GiB"), gpus=False) is None


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("", None),
        ("import sys; sys.exit('GPU 3 computes wrong numbers')", "GPU 3 computes wrong numbers"),
        (
            "raise RuntimeError('CUDA driver version is insufficient')",
            "RuntimeError: CUDA driver version is insufficient",
        ),
        ("import os; os.abort()", "a probe of the GPUs ended with status -6"),
        ("import time; time.sleep(60)", "a small product of matrices took more than 0.5 s on a GPU"),
    ],
)
def test_a_probe_tells_what_is_wrong(program, told):
    assert machine._probe(program, limit_s=0.5 if "sleep" in program else 60) == told
