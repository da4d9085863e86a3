"""Whether a failed start was the machine's doing: its GPUs, its links, its disk. Knows no engine.

vLLM's errors often say no more than "see root cause above", as the cause is another process's. So besides reading the
words this computes something on every GPU, in a process of its own, for a broken context stays broken.
"""

from __future__ import annotations

import re
import subprocess
import sys

PROBE_LIMIT_S = 180.0

_SIGNS = re.compile(
    r"CUDA error|CUDA driver|NCCL (?:error|WARN|failure)|ncclUnhandled|uncorrectable ECC|Xid|NVLink"
    r"|No space left on device|Input/output error|Read-only file system|Stale file handle"
)
_PROBE = """
import sys, torch
if not torch.cuda.is_available(): sys.exit("no GPU can be used: " + str(torch.cuda.device_count()) + " are visible")
for gpu in range(torch.cuda.device_count()):
    ones = torch.ones(512, 512, device=f"cuda:{gpu}")
    if (ones @ ones).sum().item() != 512.0 ** 3: sys.exit(f"GPU {gpu} computes wrong numbers")
"""


def find_fault(error: BaseException, *, gpus: bool) -> str | None:
    """In words, what is wrong with this machine, judged by the error of a start and by a probe; None if nothing is."""
    text = "\n".join(_chain(error))
    if (sign := _SIGNS.search(text)) is not None:
        start, end = text.rfind("\n", 0, sign.start()) + 1, text.find("\n", sign.end())
        return text[start : end if end >= 0 else None].strip()[:300]
    return _probe() if gpus else None


def _chain(error: BaseException | None) -> list[str]:
    """The words of an error and of what caused it."""
    words: list[str] = []
    while error is not None and len(words) < 10:
        words.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return words


def _probe(program: str = _PROBE, limit_s: float = PROBE_LIMIT_S) -> str | None:
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return f"a small product of matrices took more than {limit_s:g} s on a GPU"
    if done.returncode == 0:
        return None
    words = done.stderr.strip().splitlines()
    return (words[-1] if words else f"a probe of the GPUs ended with status {done.returncode}")[:300]
