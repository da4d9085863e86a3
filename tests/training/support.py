"""A recipe over the stored demo run, and students that it can train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from factory import settings
from factory.recipe.train import Train
from tests.conftest import ROOT

RUN = ROOT / "tests" / "stored_runs" / "2026-11"
TEACHER = ROOT / "jobs" / "demo" / "teacher"


def recipe(*overrides: str, **values: Any) -> Train:
    """A training of the demo's teacher on 52 of its own traces of 70 to 190 tokens, in three stages."""
    base: dict[str, Any] = {
        "kind": "train",
        "name": "t",
        "student": {"model": str(TEACHER), "dtype": "float32"},
        "data": [{"path": str(RUN), "tokenizer": str(TEACHER)}],
        "stages": [{"edge": 100}, {"edge": 128}, {"edge": 256}],
        "epochs": 2,
        "batch": 8,
        "hold_out": 0.1,
        "machine": {"workers": 2, "gpu": False, "cpus_per_worker": 0.5},
        "save_every_s": 0,
    }
    return settings.validate(Train, settings.override(base | values, overrides), "the test")


def student(directory: Path, model: Path = TEACHER, **config: Any) -> Path:
    """A copy of a student's folder with other values in tokenizer_config.json; None takes a key out."""
    directory.mkdir()
    for file in model.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    path = directory / "tokenizer_config.json"
    values = json.loads(path.read_text()) | config
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return directory
