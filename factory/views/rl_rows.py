"""One prompt for reinforcement learning in the rows of its readers: plain, verl, NeMo-RL, NeMo-Gym."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_PASS = pa.struct(
    [
        ("task", pa.string()),
        ("policy", pa.string()),
        ("model", pa.string()),
        ("mode", pa.string()),
        ("tool", pa.bool_()),
        ("max_tokens", pa.int32()),
        ("n", pa.int32()),
        ("passed", pa.int32()),
        ("undecided", pa.int32()),
        ("truncated", pa.int32()),
    ]
)
_ABOUT = [
    *(pa.field(name, pa.string()) for name in ("problem_id", "problem", "answer", "source", "license", "url")),
    pa.field("reference_changed", pa.bool_()),
    pa.field("vote_share", pa.float64()),
    pa.field("difficulty", pa.float64()),
    pa.field("length_right_high", pa.float64()),
    pa.field("passes", pa.list_(_PASS)),
]
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


@dataclass(frozen=True, slots=True)
class Form:
    """How one reader has its rows: columns, the kind of file, where `passes` is, and the row itself."""

    schema: pa.Schema
    suffix: str
    passes: str
    """The path of the pass counts, as SQL spells it."""
    row: Callable[[dict[str, Any], str, str], dict[str, Any]]
    """From the plain row, the prompt's text and the agent's name."""


def _user(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _verl(row: dict[str, Any], prompt: str, agent: str) -> dict[str, Any]:
    return {
        "data_source": row["source"] or "factory",
        "prompt": _user(prompt),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": row["answer"]},
        "extra_info": row,
    }


def _nemo_rl(row: dict[str, Any], prompt: str, agent: str) -> dict[str, Any]:
    return {"input": prompt, "output": row["answer"], **row}


def _nemo_gym(row: dict[str, Any], prompt: str, agent: str) -> dict[str, Any]:
    about = {name: value for name, value in row.items() if name != "problem"}
    return {
        "responses_create_params": {"input": _user(prompt)},
        "question": row["problem"],
        "agent_ref": {"type": "responses_api_agents", "name": agent},
        **about,
    }


_REWARD = pa.struct([("style", pa.string()), ("ground_truth", pa.string())])
_VERL = pa.schema(
    [
        pa.field("data_source", pa.string()),
        pa.field("prompt", _MESSAGES),
        pa.field("ability", pa.string()),
        pa.field("reward_model", _REWARD),
        pa.field("extra_info", pa.struct(_ABOUT)),
    ]
)
_PLAIN = pa.schema([pa.field("prompt", pa.string()), *_ABOUT])
FORMS = {
    "plain": Form(_PLAIN, ".parquet", "passes", lambda row, prompt, agent: {"prompt": prompt, **row}),
    "verl": Form(_VERL, ".parquet", "extra_info.passes", _verl),
    "nemo_rl": Form(pa.schema([]), ".jsonl", "passes", _nemo_rl),
    "nemo_gym": Form(pa.schema([]), ".jsonl", "passes", _nemo_gym),
}
