"""What people on a forum say around a problem: the sentences of `chatter.yaml`, with their gaps filled."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import yaml

_FILE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("chatter.yaml").read_text(encoding="utf-8"))
_NUMBERS = {"n": range(2, 31), "big": range(31, 400, 7), "year": range(1995, 2024)}
_GAPS: dict[str, list[str]] = _FILE["gaps"] | {name: [str(n) for n in numbers] for name, numbers in _NUMBERS.items()}
_GAP = re.compile("{(" + "|".join(_GAPS) + ")}")


def say(rng: random.Random, *pools: str, **given: str) -> str:
    """One sentence of the pools with its gaps filled; `given` fills what is particular to a thread, if not empty."""
    missing = tuple(f"{{{name}}}" for name, value in given.items() if not value)
    sentences = [text for pool in pools for text in _FILE[pool] if not any(gap in text for gap in missing)]
    text: str = rng.choice(sentences)
    while match := _GAP.search(text):
        text = text[: match.start()] + rng.choice(_GAPS[match[1]]) + text[match.end() :]
    for name, value in given.items():
        text = text.replace(f"{{{name}}}", value)
    return text[0].upper() + text[1:] if rng.random() < 0.9 else text
