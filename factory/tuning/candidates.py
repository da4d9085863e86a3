"""What is tried: one setting of the teacher's engine after the other, each with the best of those before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from factory import settings
from factory.errors import FactoryError
from factory.recipe import VllmSettings

BATCHED_TOKENS = (8192, 16_384, 32_768)
"""vLLM's own default is 8,192 or 16,384, by GPU; longer prefills in fewer steps hold decoding up for longer."""

_KEY = "teacher.engine."


@dataclass(frozen=True, slots=True)
class SettingAxis:
    """A setting of the engine (`max_num_seqs`, `extra.max_num_batched_tokens`) and the values that are tried of it."""

    key: str
    values: tuple[Any, ...]


def default_axes(engine: VllmSettings, gpus_per_machine: int) -> list[SettingAxis]:
    """What is worth trying where the user names nothing: GPUs an engine, then sequences, then tokens of a batch."""
    seqs = SettingAxis("max_num_seqs", tuple(max(1, engine.max_num_seqs * n // 2) for n in (2, 1, 4)))
    if not engine.num_gpus:
        return [seqs]
    sizes = tuple(n for n in (1, 2, 4, 8) if n * engine.num_gpus <= gpus_per_machine)
    return [
        SettingAxis("tensor_parallel_size", sizes),
        seqs,
        SettingAxis("extra.max_num_batched_tokens", BATCHED_TOKENS),
    ]


def given_axes(texts: Sequence[str]) -> list[SettingAxis]:
    """Axes as a user writes them: `max_num_seqs=64,128`, `numerics.kv_cache_dtype=auto,fp8`."""
    found = []
    for text in texts:
        key, equals, values = text.removeprefix(_KEY).partition("=")
        if not key or not equals or not values:
            raise FactoryError(
                f"--try {text!r} is not of the form key=value,value", remedy="for example --try max_num_seqs=64,128"
            )
        found.append(SettingAxis(key, tuple(yaml.safe_load(value) for value in values.split(","))))
    return found


def with_value(engine: VllmSettings, key: str, value: Any) -> VllmSettings:
    """The engine with another value of one setting. Raises `FactoryError` for an unknown key or a wrong value."""
    values = settings.override(engine.model_dump(), [f"{key}={json.dumps(value)}"])
    return settings.validate(VllmSettings, values, f"--try {key}")


def changes(engine: VllmSettings, base: VllmSettings) -> dict[str, Any]:
    """In what an engine differs from another, as an override of `teacher.engine`."""
    before, after = base.model_dump(mode="json"), engine.model_dump(mode="json")
    return {key: value for key, value in after.items() if value != before[key]}


def digest(engine: VllmSettings) -> str:
    """Equal exactly for equal settings."""
    return hashlib.sha256(engine.model_dump_json().encode()).hexdigest()[:12]
