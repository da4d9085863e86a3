"""The main job, which gives its bucket up after seconds, not minutes: `python -m tests.jobs.impatient --recipe ...`."""

from __future__ import annotations

import runpy
import sys

from factory.store import s3
from tests.conftest import ROOT

PATIENCE_S = 5.0

if __name__ == "__main__":
    s3.PATIENCE_S = PATIENCE_S  # workers get their stores from the driver, as patient as its own
    sys.argv[0] = str(ROOT / "jobs" / "build_dataset.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
