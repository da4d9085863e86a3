"""Where a model's files lie (a directory, a bucket, the hub), whether they are complete, and which revision they are.

Checked before anything heavy starts: a missing tokenizer should cost a second and a sentence, not a minute of loading
and a stack from three processes. Knows no engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.engines import model_bucket
from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.retry import persist

HUB_PATIENCE_S = 600.0
"""A hub that is asked by many machines at once refuses some of them (429) for minutes."""
CHAT_FILES = (
    "tokenizer_config.json", "chat_template.jinja", "generation_config.json", "additional_chat_templates/*.jinja"
)  # fmt: skip
"""What tells a model's chat format, where a model has it; the first is always there."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.jinja", "*.safetensors", "*.model", "*.txt", "*.tiktoken"]
_HUB_IGNORED = ["original/*", "metal/*", "onnx/*"]
_HASH = re.compile(r"[0-9a-f]{16}")
_SLICE = 16 * 1024


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A complete model on this machine: its name as the recipe gives it, its directory, and its revision."""

    name: str
    directory: Path
    revision: str


def resolve(model: str, revision: str | None = None) -> ModelFiles:
    """Find (or download) a model by directory, bucket URI or hub name, and check that it is complete.

    The revision is the hub's commit for a hub name, and else a hash of content (`content_hash`); where one is given, a
    model with another content is refused. Raises `FactoryError` if files are missing or cannot be fetched.
    """
    if model_bucket.is_uri(model):
        directory = model_bucket.fetch(model, _HUB_FILES)
        _check(directory)
        return ModelFiles(model, directory, _same(model, content_hash(directory), revision))
    path = Path(model).expanduser()
    if path.is_dir():
        _check(path)
        return ModelFiles(model, path.resolve(), _same(model, content_hash(path), revision))
    if path.exists() or not _HUB_NAME.fullmatch(model):
        raise FactoryError(
            f"there is no model directory {model}",
            why="it is a file" if path.exists() else f"nothing lies at {path.absolute()}",
            remedy="give a directory with configuration, tokenizer and weights, s3://bucket/prefix, or a hub name "
            "(openai/gpt-oss-120b)",
        )
    directory = _cached(model, revision) or _download(model, revision)
    _check(directory)
    return ModelFiles(model, directory, directory.name)  # a snapshot's directory is named by its commit


def tokenizer_file(
    model: str, revision: str | None = None, *, patience_s: float = 0.0, whole_chat: bool = False
) -> Path:
    """The `tokenizer.json` of a model by directory, bucket URI or hub name; no weights are fetched for it.

    `whole_chat` has the files beside it that tell the model's chat format.
    """
    wanted = ["tokenizer.json", *(CHAT_FILES if whole_chat else ())]
    if model_bucket.is_uri(model):
        return model_bucket.fetch(model, wanted) / "tokenizer.json"
    path = Path(model).expanduser()
    if path.is_dir():
        return path / "tokenizer.json"
    if (known := _cached(model, revision, wanted[:2])) is not None:
        return known / "tokenizer.json"
    return _download(model, revision, wanted, patience_s) / "tokenizer.json"


def revision_of(model: str, revision: str | None = None) -> str | None:
    """What `resolve` would call the revision, found without fetching weights; None for a directory that is not here."""
    if model_bucket.is_uri(model):
        return _same(model, content_hash(Store.open(model)), revision)
    path = Path(model).expanduser()
    if path.is_dir():
        return _same(model, content_hash(path), revision)
    if not on_hub(model):
        return None
    known = _cached(model, revision, ["tokenizer.json"])
    return known.name if known is not None else _download(model, revision, ["tokenizer.json"]).name


def on_hub(model: str) -> bool:
    """Whether a model is named by the hub, as far as this machine can tell."""
    path = Path(model).expanduser()
    return not model_bucket.is_uri(model) and not path.exists() and _HUB_NAME.fullmatch(model) is not None


def content_hash(place: Path | Store) -> str:
    """16 hex digits that change when weights, tokenizer, chat template or configuration do.

    Small files count whole. Of each safetensors file count its header (names, shapes, offsets) and of every tensor
    the middle 16 KiB, so that a retrained or merged model differs while 60 GB are hashed in about a second.
    """
    store = place if isinstance(place, Store) else Store.open(place)
    digest = hashlib.sha256()
    for entry in store.list():
        name = Path(entry.key)
        if len(name.parts) > 1:
            continue
        if name.suffix == ".safetensors":
            digest.update(entry.key.encode() + b"\0")
            _hash_tensors(store, entry.key, entry.size, digest)
        elif name.suffix in {".json", ".jinja", ".model", ".tiktoken"}:
            digest.update(entry.key.encode() + b"\0" + store.read(entry.key))
    return digest.hexdigest()[:16]


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


def _hash_tensors(store: Store, key: str, size: int, digest: hashlib._Hash) -> None:
    """Feed the header of a safetensors file and a slice of each tensor (format: 8 bytes of length, JSON, data)."""
    header = store.read(key, 8, min(int.from_bytes(store.read(key, 0, 8), "little"), size))
    digest.update(header)
    try:
        tensors = json.loads(header)
        spans = sorted(tuple(t["data_offsets"]) for name, t in tensors.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(store, f"{key} is not a safetensors file") from None
    if spans and 8 + len(header) + spans[-1][1] != size:
        raise _damaged(store, f"{key} is cut short or damaged")

    def middle(span: tuple[int, int]) -> bytes:
        length = span[1] - span[0]
        start = 8 + len(header) + span[0] + max(0, length - _SLICE) // 2
        return store.read(key, start, min(length, _SLICE)) if length else b""

    with ThreadPoolExecutor(16) as pool:  # thousands of tensors, each a request where the model is in a bucket
        for piece in pool.map(middle, spans):
            digest.update(piece)


def _damaged(store: Store, why: str) -> FactoryError:
    return FactoryError(f"{store.uri} is not a complete model", why=why, remedy="copy the whole model again")


def _same(model: str, found: str, wanted: str | None) -> str:
    """The revision found, if it is the one that is wanted. What is no hash of content names no revision here."""
    if wanted is not None and _HASH.fullmatch(wanted) and wanted != found:
        raise FactoryError(
            f"{model} holds another model than this run began with",
            why=f"the hash of its content is {found}, not {wanted}",
            remedy="put the model back that was there, or start a new run for this one",
        )
    return found


def _cached(model: str, revision: str | None, patterns: list[str] | None = None) -> Path | None:
    """The snapshot of a hub model that is complete on this machine already: then nobody is asked."""
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(model, revision=revision, local_files_only=True))
        if patterns is None:
            _check(found)
        elif not all((found / name).exists() for name in patterns):
            return None
        return found
    except (OSError, ValueError, FactoryError):
        return None


def _download(
    model: str, revision: str | None, patterns: list[str] | None = None, patience_s: float | None = None
) -> Path:
    """Fetch from the hub, with patience where it refuses for now. Raises `FactoryError`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch() -> str:
        return snapshot_download(
            model, revision=revision, allow_patterns=patterns or _HUB_FILES, ignore_patterns=_HUB_IGNORED
        )

    try:
        return Path(persist(fetch, transient=passing, patience_s=HUB_PATIENCE_S if patience_s is None else patience_s))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise FactoryError(
            f"the model {model}{f' at revision {revision}' if revision else ''} cannot be fetched from the hub",
            why=str(error).strip().splitlines()[0],
            remedy="check the name, the network and HF_TOKEN; or give a local directory, or weights in a bucket",
        ) from error


def passing(error: BaseException | None) -> bool:
    """Whether a failure to fetch, or what it was raised for, is the hub's or the network's, and may pass."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE or error is None:
        return False
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return error.response.status_code == 429 or error.response.status_code >= 500
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"ConnectionError", "TimeoutError", "TransportError"}:  # the hub's client has an httpx of its own
        return True
    return passing(error.__cause__ or error.__context__)
