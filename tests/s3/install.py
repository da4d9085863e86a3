"""Install the packages of the S3 server that tests run against, where that is possible; otherwise say why not.

Idempotent and quiet: `python -m tests.s3.install` does nothing if the programs are there, and never fails.
"""

from __future__ import annotations

import os
import shutil
import sys

from tests.debian import install

PACKAGES = ["radosgw", "ceph-mon", "ceph-osd"]  # each has a program of its own name
ENDPOINT_VARIABLE = "FACTORY_TEST_S3_ENDPOINT"


def main() -> None:
    if os.environ.get(ENDPOINT_VARIABLE) or all(shutil.which(package) for package in PACKAGES):
        return
    if obstacle := install(PACKAGES):
        said = f"no S3 server will be tested against ({obstacle}), or set {ENDPOINT_VARIABLE} to one that runs"
        print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
