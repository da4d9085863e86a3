"""Debian packages that tests run against, installed where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence


def install(packages: Sequence[str]) -> str | None:
    """Install what is missing of these, without a word and without ever failing; what is in the way, if anything."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"as root on Debian or Ubuntu: apt-get install --no-install-recommends {' '.join(packages)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", "-qq", *words], env=environment, capture_output=True, text=True)
        if done.returncode:
            return f"apt-get {words[0]} failed: {(done.stderr.strip().splitlines() or ['no words'])[-1]}"
    return None
