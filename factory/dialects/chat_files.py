"""What the files of a model say about its chat format: template, special tokens, and the ids that end a turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.errors import FactoryError

_SPECIALS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class ChatFiles:
    """The chat format of one model directory."""

    name: str
    """The directory, for messages."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Jinja templates by name: `default`, and `tool_use` where a model has another one for tools."""
    specials: Mapping[str, str] = field(default_factory=dict)
    """Spelling of `bos_token`, `eos_token` and the others, as templates refer to them."""
    ends: tuple[int, ...] = ()
    """Ids at which the model's generation configuration ends a turn."""

    @classmethod
    def read(cls, directory: Path) -> ChatFiles:
        """Raises `FactoryError` for a file that is not what its name says."""
        config = _json(directory / "tokenizer_config.json")
        specials = {key: spelling for key in _SPECIALS if (spelling := _spelling(config.get(key)))}
        ends = _json(directory / "generation_config.json").get("eos_token_id")
        ids = ends if isinstance(ends, list) else [ends]
        return cls(str(directory), _templates(directory, config), specials, tuple(i for i in ids if isinstance(i, int)))

    def template(self, *, tools: bool) -> str | None:
        """The template for a conversation with or without tools."""
        return self.templates.get("tool_use" if tools else "default") or self.templates.get("default")


def _templates(directory: Path, config: dict[str, Any]) -> dict[str, str]:
    """As transformers reads them: files of their own before what the configuration holds."""
    held = config.get("chat_template")
    templates = {"default": held} if isinstance(held, str) else {t["name"]: t["template"] for t in held or []}
    for file in sorted((directory / "additional_chat_templates").glob("*.jinja")):
        templates[file.stem] = file.read_text(encoding="utf-8")
    if (file := directory / "chat_template.jinja").is_file():
        templates["default"] = file.read_text(encoding="utf-8")
    return templates


def _spelling(token: Any) -> str | None:
    """A special token, which older files wrap into an object."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FactoryError(f"{path} cannot be read", why=str(error), remedy="copy the file again") from None
    if not isinstance(values, dict):
        raise FactoryError(f"{path} does not hold a JSON object", remedy="copy the file again")
    return values
