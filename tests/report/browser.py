"""A headless Chromium to look at pages with; `python -m tests.report.browser` installs it where that is possible.

Tests skip without one. Idempotent and quiet, and never fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.debian import install

PACKAGE = "chromium-headless-shell"
PROGRAMS = (PACKAGE, "chromium", "chromium-browser", "google-chrome")
VARIABLE = "FACTORY_TEST_BROWSER"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the browser made of a page: the document after loading, its console, a picture (PNG)."""

    dom: str
    console: list[str]
    picture: Path


def browser() -> str | None:
    """The program to run, or None."""
    return os.environ.get(VARIABLE) or next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def look(page: Path, picture: Path, *, width: int = 1280, height: int = 2000) -> Seen:
    """Open a page without a network, at the top, in a window of this size."""
    program = browser()
    assert program is not None
    with tempfile.TemporaryDirectory() as profile:
        command = [
            program, "--headless", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1",
            "--no-sandbox", f"--user-data-dir={profile}", f"--window-size={width},{height}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
        ]  # fmt: skip
        url = page.resolve().as_uri()
        dom = _run([*command, "--dump-dom", url])
        _run([*command, f"--screenshot={picture}", url])
    console = [line for line in dom.stderr.splitlines() if "CONSOLE" in line]
    return Seen(dom.stdout, console, picture)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def main() -> None:
    if browser():
        return
    if obstacle := install([PACKAGE, "fonts-dejavu-core"]):
        said = f"no browser will look at report pages ({obstacle}), or set {VARIABLE} to one"
        print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
