"""Create or refresh `.venv` from the pinned versions; quick when nothing changed. Runs on a bare Python 3.11.

pip decides where packages come from: its settings (files and environment) are handed to uv, which does the same work
in seconds where pip's resolver takes minutes.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
INPUTS = [ROOT / "pyproject.toml", *(ROOT / ".ci" / n for n in ("setup.py", "cpu.lock", "cpu-overrides.txt"))]
UV = "uv==0.13.9"

# pip's setting -> uv's environment variable
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


def main() -> None:
    wanted = hashlib.sha256(b"".join(p.read_bytes() for p in INPUTS) + str(ROOT).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    if sys.version_info[:2] not in ((3, 11), (3, 12)):
        sys.exit(f"setup: Python {sys.version.split()[0]} is neither 3.11 nor 3.12: make PYTHON=/path/to/python3.11")
    print(f"setup: installing into {VENV} (some minutes the first time)", flush=True)
    python = VENV / "bin" / "python"
    if not python.exists():
        venv.create(VENV, with_pip=True, symlinks=True)
    run(python, "-m", "pip", "install", "--quiet", UV)
    run(
        VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", python,
        "--compile-bytecode",  # without it every process start pays many seconds to compile imports
        "--constraints", ROOT / ".ci" / "cpu.lock",
        "--overrides", ROOT / ".ci" / "cpu-overrides.txt",
        "--editable", f"{ROOT}[cpu,train,dev]",
        env={**os.environ, **uv_settings(python)},
    )  # fmt: skip
    STAMP.write_text(wanted)


def uv_settings(python: Path) -> dict[str, str]:
    """pip's own settings as uv reads them. Later levels of pip's configuration win, the environment last."""
    listed = run(python, "-m", "pip", "config", "list", capture=True)
    levels: dict[str, dict[str, str]] = {}
    for level, key, value in re.findall(r"^(\S+?)\.(\S+)='(.*)'$", listed, flags=re.MULTILINE):
        levels.setdefault(level, {})[key.replace("_", "-")] = value
    merged = {**levels.get("global", {}), **levels.get("install", {}), **levels.get(":env:", {})}
    found = {SETTINGS[k]: v for k, v in merged.items() if k in SETTINGS}
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip weighs all its indexes alike
        urls = found["UV_INDEX"].split()
        found["UV_INDEX"] = " ".join(u for u in urls if not u.startswith("file://") or Path(u[7:]).is_dir())
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    elif "UV_TORCH_BACKEND" not in os.environ:
        found["UV_TORCH_BACKEND"] = "cpu"  # elsewhere uv itself finds the CPU build of torch
    return {k: v for k, v in found.items() if v and k not in os.environ}


def run(*command: object, env: dict[str, str] | None = None, capture: bool = False) -> str:
    done = subprocess.run([str(c) for c in command], env=env, stdout=subprocess.PIPE if capture else None, text=True)
    if done.returncode:
        sys.exit(f"setup: {' '.join(map(str, command[:4]))} ... failed with status {done.returncode}; see above")
    return done.stdout or ""


if __name__ == "__main__":
    main()
