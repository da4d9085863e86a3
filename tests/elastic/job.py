"""The main job with light engines: `python tests/elastic/job.py --recipe RECIPE --out OUT`."""

from __future__ import annotations

import runpy
import sys

from factory.cluster import fit
from factory.engines import lease, serve
from tests.conftest import ROOT
from tests.elastic.light import LightReplica

if __name__ == "__main__":
    serve.Replica = LightReplica
    fit.PATIENCE_S = 6.0
    lease.MIN_LEASE_S = 10.0
    sys.argv[0] = str(ROOT / "jobs" / "build_dataset.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
