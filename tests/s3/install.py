"""Install the packages of the S3 server that tests run against, where that is possible; otherwise say why not.

Idempotent and quiet: `python tests/s3/install.py` does nothing where the programs are there, and never fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ["radosgw", "ceph-mon", "ceph-osd"]  # each has a program of its own name
ENDPOINT_VARIABLE = "FACTORY_TEST_S3_ENDPOINT"


def main() -> None:
    if os.environ.get(ENDPOINT_VARIABLE) or all(shutil.which(package) for package in PACKAGES):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"as root on Debian or Ubuntu: apt-get install --no-install-recommends {' '.join(PACKAGES)}")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", "-qq", *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            say(f"apt-get {command[0]} failed: {(done.stderr.strip().splitlines() or ['no words'])[-1]}")
            return


def say(what: str) -> None:
    print(f"no S3 server will be tested against ({what}), or set {ENDPOINT_VARIABLE} to one that runs", file=sys.stderr)


if __name__ == "__main__":
    main()
