"""Where a model's files lie, whether they are complete, and which revision they are. Knows no engine.

Checked before anything heavy starts: a missing tokenizer should cost a second and a sentence, not a minute of loading
and a stack from three processes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from factory.errors import FactoryError

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.jinja", "*.safetensors", "*.model", "*.txt", "*.tiktoken"]
_HUB_IGNORED = ["original/*", "metal/*", "onnx/*"]
_SLICE = 16 * 1024


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A complete model on this machine: its name as the recipe gives it, its directory, and its revision."""

    name: str
    directory: Path
    revision: str


def resolve(model: str, revision: str | None = None) -> ModelFiles:
    """Find (or download) a model by directory or hub name, and check that it is complete.

    The revision is the hub's commit for a hub name, and a hash of content (`content_hash`) for a directory.
    Raises `FactoryError` where files are missing or a hub name can't be fetched.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        _check(path)
        return ModelFiles(model, path.resolve(), content_hash(path))
    if path.exists() or not _HUB_NAME.fullmatch(model):
        raise FactoryError(
            f"there is no model directory {model}",
            why="it is a file" if path.exists() else f"nothing lies at {path.absolute()}",
            remedy="give a directory with configuration, tokenizer and weights, or a hub name (openai/gpt-oss-120b)",
        )
    directory = _download(model, revision)
    _check(directory)
    return ModelFiles(model, directory, directory.name)  # a snapshot's directory is named by its commit


def tokenizer_file(model: str, revision: str | None = None) -> Path:
    """The `tokenizer.json` of a model by directory or hub name; of a hub model no weights are fetched."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path / "tokenizer.json"
    return _download(model, revision, ["tokenizer.json"]) / "tokenizer.json"


def content_hash(directory: Path) -> str:
    """16 hex digits that change when weights, tokenizer, chat template or configuration do.

    Small files count whole. Of each safetensors file count its header (names, shapes, offsets) and of every tensor
    the middle 16 KiB, so that a retrained or merged model differs while 60 GB are hashed in about a second.
    """
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.suffix == ".safetensors":
            digest.update(path.name.encode() + b"\0")
            _hash_tensors(path, digest)
        elif path.suffix in {".json", ".jinja", ".model", ".tiktoken"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def context_window(directory: Path) -> int | None:
    """The longest sequence that the model's configuration declares, in tokens."""
    config = _read_json(directory / "config.json")
    text_config = config.get("text_config", config)
    window = text_config.get("max_position_embeddings")
    return int(window) if window else None


def _check(directory: Path) -> None:
    """Raise `FactoryError` naming the first thing that the directory lacks."""
    _read_json(directory / "config.json")
    if not any(directory.glob("*.safetensors")):
        raise _incomplete(directory, "there is no *.safetensors file", "save the weights as safetensors")
    if not any((directory / name).exists() for name in ("tokenizer.json", "tokenizer.model", "tiktoken.model")):
        raise _incomplete(
            directory, "there is no tokenizer.json", "save the tokenizer beside the weights (tokenizer.save_pretrained)"
        )
    if not _has_chat_template(directory):
        raise _incomplete(
            directory,
            "there is no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)",
            "use an instruction-tuned model, or put its template beside the weights",
        )
    index = directory / "model.safetensors.index.json"
    shards = set(_read_json(index).get("weight_map", {}).values()) if index.exists() else set()
    absent = sorted(name for name in shards if not (directory / name).exists())
    if absent:
        raise _incomplete(directory, f"{len(absent)} of {len(shards)} shards are missing, the first is {absent[0]}")


def _has_chat_template(directory: Path) -> bool:
    if (directory / "chat_template.jinja").exists() or (directory / "chat_template.json").exists():
        return True
    config = directory / "tokenizer_config.json"
    return config.exists() and bool(_read_json(config).get("chat_template"))


def _incomplete(directory: Path, why: str, remedy: str = "copy the whole model directory again") -> FactoryError:
    return FactoryError(f"{directory} is not a complete model", why=why, remedy=remedy)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _incomplete(path.parent, f"there is no {path.name}") from None
    except (OSError, ValueError) as error:
        raise _incomplete(path.parent, f"{path.name} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise _incomplete(path.parent, f"{path.name} does not hold a JSON object")
    return values


def _hash_tensors(path: Path, digest: hashlib._Hash) -> None:
    """Feed the header of a safetensors file and a slice of each tensor (format: 8 bytes of length, JSON, data)."""
    with path.open("rb") as file:
        header = file.read(min(int.from_bytes(file.read(8), "little"), path.stat().st_size))
        digest.update(header)
        try:
            tensors = json.loads(header)
            spans = sorted(tuple(t["data_offsets"]) for name, t in tensors.items() if name != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _incomplete(path.parent, f"{path.name} is not a safetensors file") from None
        if spans and 8 + len(header) + spans[-1][1] != path.stat().st_size:
            raise _incomplete(path.parent, f"{path.name} is cut short or damaged")
        for begin, end in spans:
            _hash_slice(file, 8 + len(header) + begin, end - begin, digest)


def _hash_slice(file: BinaryIO, start: int, size: int, digest: hashlib._Hash) -> None:
    file.seek(start + max(0, size - _SLICE) // 2)
    digest.update(file.read(min(size, _SLICE)))


def _download(model: str, revision: str | None, patterns: list[str] | None = None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                model, revision=revision, allow_patterns=patterns or _HUB_FILES, ignore_patterns=_HUB_IGNORED
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise FactoryError(
            f"the model {model}{f' at revision {revision}' if revision else ''} cannot be fetched from the hub",
            why=str(error).strip().splitlines()[0],
            remedy="check the name, the network and HF_TOKEN; or give a local directory",
        ) from None
