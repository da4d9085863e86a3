"""Open the model of a recipe's section: its engine, and the chat format that its weights were trained on."""

from __future__ import annotations

from dataclasses import dataclass

from factory.dialects import dialect, named
from factory.dialects.protocol import Dialect, Tokenizer
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import model_files
from factory.engines.protocol import Engine
from factory.engines.silence import SILENCE_S
from factory.recipe import EndpointSettings, Teacher
from factory.records import Mode


@dataclass(frozen=True, slots=True)
class Model:
    """A role's engine and chat format, and how one question is put to it."""

    engine: Engine
    dialect: Dialect
    ask_tokens: int = 4096
    ask_mode: Mode = Mode.LOW
    silence_s: float = SILENCE_S
    """A stream that says nothing for that long is broken."""


def open_model(section: Teacher, *, pool: Engine | None = None, python: str = "") -> Model:
    """The model of a section. `pool` serves it where it runs on the cluster; else it is opened in this process.

    `python` is what the model is told of its Python tool (`prompts/promise.py`). Raises `FactoryError` for a dialect
    that there is not, and a tokenizer that is not to be had or lacks the dialect's control tokens.
    """
    named(section.dialect)  # a misspelt one is told before anything is downloaded
    tokenizer = HfTokenizer(
        model_files.tokenizer_file(
            section.model, section.revision, patience_s=model_files.HUB_PATIENCE_S, whole_chat=section.dialect == "chat"
        )
    )
    engine = pool or open_engine(section, tokenizer)
    return Model(
        engine,
        dialect(section.dialect, tokenizer, python, section.chat),
        section.ask_tokens,
        section.ask_mode,
        section.engine.silence_s,
    )


def open_engine(section: Teacher, tokenizer: Tokenizer | None = None) -> Engine:
    """A client of the section's server, or vLLM in this process. A server that takes text alone needs the tokenizer."""
    if isinstance(section.engine, EndpointSettings):
        from factory.engines.endpoint import EndpointEngine

        return EndpointEngine(section.model, section.engine, revision=section.revision, tokenizer=tokenizer)
    from factory.engines.vllm_engine import VllmEngine

    return VllmEngine(section.model, section.engine, revision=section.revision)
