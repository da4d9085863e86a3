"""The student as a plan sees it: how large it is, how long a sequence it takes, whether it can be trained at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.errors import FactoryError

_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a decoder-only transformer, from its `config.json`. `experts` is 0 for a dense one."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int  # of one expert where there are experts
    vocabulary: int
    tied: bool
    experts: int = 0
    experts_per_token: int = 0
    positions: int | None = None  # longest sequence that it was made for

    @property
    def attention(self) -> int:
        """Weights of one layer's attention."""
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    @property
    def layer(self) -> int:
        """Weights of one layer."""
        router = self.hidden * self.experts
        return self.attention + router + 3 * self.hidden * self.ffn * max(1, self.experts)

    @property
    def embeddings(self) -> int:
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights; norms and biases, some thousandths, are left out."""
        return self.layers * self.layer + self.embeddings

    @property
    def active(self) -> int:
        """Weights that one token meets."""
        ffn = 3 * self.hidden * self.ffn * (self.experts_per_token or 1)
        return self.layers * (self.attention + ffn) + self.embeddings


def shape_of(directory: Path) -> Shape:
    """The shape of the model in `directory`. Raises `FactoryError` where its configuration is of no known form."""
    values: dict[str, Any] = json.loads((directory / "config.json").read_bytes())
    values = values.get("text_config") or values
    if missing := [name for name in _SIZES if not isinstance(values.get(name), int)]:
        raise FactoryError(
            f"cannot plan the training of {directory}",
            why=f"its config.json does not say {', '.join(missing)}",
            remedy="train a causal language model: a Llama, Qwen, Gemma, Mistral, or another decoder of that form",
        )
    experts = int(values.get("num_experts") or values.get("num_local_experts") or 0)
    heads = int(values["num_attention_heads"])
    return Shape(
        hidden=values["hidden_size"],
        layers=values["num_hidden_layers"],
        heads=heads,
        kv_heads=values.get("num_key_value_heads") or heads,
        head_dim=values.get("head_dim") or values["hidden_size"] // heads,
        ffn=(values.get("moe_intermediate_size") if experts else None) or values["intermediate_size"],
        vocabulary=values["vocab_size"],
        tied=bool(values.get("tie_word_embeddings", False)),
        experts=experts,
        experts_per_token=int(values.get("num_experts_per_tok") or 0),
        positions=values.get("max_position_embeddings"),
    )


@dataclass(frozen=True, slots=True)
class Special:
    """Ids that padding and the end of a sequence have."""

    pad: int
    end: int


def special_tokens(directory: Path) -> Special:
    """Pad and end token of the student. Raises `FactoryError` where it has no end, or neither pad nor end."""
    config = _json(directory / "tokenizer_config.json")
    ids = {token["content"]: token["id"] for token in _json(directory / "tokenizer.json").get("added_tokens") or []}
    pad, end = (ids.get(_content(config.get(name))) for name in ("pad_token", "eos_token"))
    if end is None:
        raise FactoryError(
            f"the student {directory} has no end-of-sequence token",
            why="tokenizer_config.json names no eos_token that its tokenizer has, so it could never learn to stop",
            remedy="set eos_token in tokenizer_config.json to one of its added tokens",
        )
    if pad is None:
        raise FactoryError(
            f"the student {directory} has no pad token",
            why="tokenizer_config.json names no pad_token that its tokenizer has, and padding with the end token "
            "would teach it nothing about ending",
            remedy="set pad_token in tokenizer_config.json to an added token that text never has",
        )
    return Special(pad, end)


def tokenizer_digest(file: Path) -> str:
    """16 hex digits over what turns text into ids: equal where two tokenizers give every text the same ids."""
    state = json.loads(file.read_bytes())
    told = {key: state.get(key) for key in ("normalizer", "pre_tokenizer", "model")}
    told["added_tokens"] = [[token["id"], token["content"]] for token in state.get("added_tokens") or []]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_bytes())) if file.is_file() else {}
