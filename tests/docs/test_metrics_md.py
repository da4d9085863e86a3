"""docs/metrics.md lists the metrics as they are declared."""

from __future__ import annotations

import runpy

from factory.metrics import TABLE
from tests.conftest import ROOT


def test_the_table_is_the_generated_one():
    written = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    generated = runpy.run_path(str(ROOT / "docs" / "write_metrics.py"))["page"](written)
    assert written == generated, "run .venv/bin/python docs/write_metrics.py"
    assert all(metric.help in written for metric in TABLE)
