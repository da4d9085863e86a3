"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests.s3.fixtures import s3_bucket, s3_server  # noqa: F401
from tests.side_by_side import pytest_collection_modifyitems, pytest_xdist_make_scheduler  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("FACTORY_SHARED_DATA", ROOT.parent / "shared" / "data"))

# A pool of engines learns of its load every two seconds, not every ten (Ray Serve reads these when it is imported).
os.environ.setdefault("RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S", "2")
os.environ.setdefault("RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S", "2")

# How long a test takes says nothing of the code, and what fails must fail for the next one too.
hypothesis.settings.register_profile("factory", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("factory")


@pytest.fixture
def shared_data():
    """Look up a file of real data that is not part of the repository; the test skips if it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{name} is not there; set FACTORY_SHARED_DATA to the folder that holds it")
        return path

    return find


@pytest.fixture(scope="session")
def ray_local():
    """A Ray cluster of this session's own: four logical CPUs whatever the machine has, no dashboard, no tokens."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # or the cluster leaves a token that shuts later ones off
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    from factory.engines.serve import CONTROLLER_VARIABLES

    os.environ.update(CONTROLLER_VARIABLES)
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
        log_to_driver=False,
    )
    yield ray
    from ray import serve

    serve.shutdown()  # its clients would continue talking to a cluster that is gone
    ray.shutdown()
