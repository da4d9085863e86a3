"""math-verify as RL trainers call it, over stored answers, in a process that is killed where it hangs."""

from __future__ import annotations

import select
import subprocess
import sys
from types import TracebackType
from typing import Self

from factory.errors import FactoryError
from factory.verify.frames import encode, read_frame

_WORKER = "factory.views.math_verify_worker"
_START_TIMEOUT_S = 180.0


class TrainerChecker:
    """One worker process, started when it is first asked and again after it was killed. A context manager."""

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def equal(self, gold: str, prediction: str) -> bool | None:
        """The trainer's verdict; None if it took longer than the time allowed, or died of the pair."""
        process = self._started()
        try:
            assert process.stdin is not None
            process.stdin.write(encode({"gold": gold, "prediction": prediction}))
            answer = self._answer(process, self._timeout_s)
        except OSError:
            answer = None
        if answer is None:
            self.close()
            return None
        return bool(answer["equal"])

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:
                        continue

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", _WORKER]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
            if self._answer(self._process, _START_TIMEOUT_S) is None:
                self.close()
                raise FactoryError(
                    "the trainer's checker does not start",
                    why=f"`python -m {_WORKER}` ended or stayed silent",
                    remedy="run that command by hand; --set check=false leaves the check out",
                )
        return self._process

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, object] | None:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], timeout_s)
        return read_frame(process.stdout) if ready else None  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
