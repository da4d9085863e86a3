"""A driver for `test_driver_lease`: holds the run at URI and writes a line to LOG ten times a second."""

from __future__ import annotations

import sys
import time

from factory.store import driver_lease
from factory.store.fs import Store

if __name__ == "__main__":
    uri, log, seconds = sys.argv[1:]
    with driver_lease.held(Store.open(uri), beat_s=0.1, lease_s=1.0) as lease, open(log, "a", buffering=1) as file:
        until = time.monotonic() + float(seconds)
        while time.monotonic() < until:
            lease.check()
            file.write(f"{lease.number}\n")
            time.sleep(0.1)
