"""Strict configuration: YAML in, pydantic models out, errors that name the key, the file and the nearest valid key.

Knows nothing of what is configured; `recipe/` declares that.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from factory.errors import FactoryError

Model = TypeVar("Model", bound="Strict")


class Strict(BaseModel):
    """A section of a recipe: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def operational(default: Any = ..., **kwargs: Any) -> Any:
    """A field that changes how fast or where a run goes, never what it yields: left out of the fingerprint."""
    return Field(default, json_schema_extra={"operational": True}, **kwargs)


def added(default: Any = ..., **kwargs: Any) -> Any:
    """A field that is younger than the first runs: it counts in the fingerprint only where it differs from its default.

    So a recipe that does not name it keeps its fingerprint and its runs; the default must change no result.
    """
    return Field(default, json_schema_extra={"added": True}, **kwargs)


def load(
    model: type[Model],
    path: str | Path,
    overrides: Iterable[str] | None = None,
    files: Iterable[str | Path] | None = None,
) -> Model:
    """Read a YAML file into `model`: over it the keys of other files, over those `a.b=c` (c is read as YAML)."""
    return validate(model, layered(path, overrides, files), str(path))


def layered(
    path: str | Path, overrides: Iterable[str] | None = None, files: Iterable[str | Path] | None = None
) -> dict[str, Any]:
    """The keys and values of a YAML file; laid over it those of other files, then `a.b=c` overrides."""
    values = mapping(path)
    for file in files or ():
        values = merge(values, mapping(file, "the override"))
    return override(values, overrides or [])


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One mapping laid over another: mappings are merged key by key, all else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def mapping(path: str | Path, what: str = "the recipe") -> dict[str, Any]:
    """The keys and values of a YAML file, not checked against anything."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise FactoryError(
            f"cannot read {what} {path}", why=error.strerror or str(error), remedy="check the path that was given"
        ) from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FactoryError(
            f"{path} is not valid YAML", why=" ".join(str(error).split()), remedy="mend the line named above"
        ) from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise FactoryError(f"{path} holds a {type(values).__name__}, not a mapping of keys to values")
    return values


def override(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Put `a.b=c` overrides on top of `values`, in place; c is read as YAML."""
    for text in overrides:
        _apply(values, text)
    return values


def validate(model: type[Model], values: dict[str, Any], origin: str) -> Model:
    """Check `values` against `model`; `origin` is the file that an error names."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors()]
        raise FactoryError(
            f"{origin}: {lines[0]}" if len(lines) == 1 else f"{origin}:\n  " + "\n  ".join(lines)
        ) from None


def fingerprint(section: Strict) -> str:
    """16 hex digits over every value that can change results; operational knobs are left out."""
    canonical = json.dumps(result_values(section), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def result_values(section: Strict) -> dict[str, Any]:
    """The part of a recipe that its fingerprint covers, as JSON values."""
    return typing.cast(dict[str, Any], _result_values(section))


def _result_values(value: Any) -> Any:
    if isinstance(value, Strict):
        fields = type(value).model_fields
        return {
            name: _result_values(getattr(value, name)) for name, f in fields.items() if _counts(f, getattr(value, name))
        }
    if isinstance(value, dict):
        return {str(k): _result_values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_result_values(v) for v in value]
    return value


def _counts(field: FieldInfo, value: Any) -> bool:
    """Whether a field's value is part of the fingerprint."""
    marks = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if marks.get("added"):
        return bool(value != field.get_default(call_default_factory=True))
    return not marks.get("operational")


def difference(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """The keys in which two `result_values` differ, one readable line each."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            lines += difference(before, after, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key}: {json.dumps(before)} -> {json.dumps(after)}")
    return lines


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise FactoryError(
            f"--set {override!r} is not of the form a.b=c", remedy="for example --set teacher.engine.replicas=2"
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FactoryError(
            f"--set {override!r}: the value is not valid YAML", why=" ".join(str(error).split())
        ) from None
    *parents, last = path.split(".")
    node: Any = values
    for position, key in enumerate(parents):
        node = _child(node, key, override, ".".join(parents[:position]))
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    else:
        node[last] = value


def _child(node: Any, key: str, override: str, where: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, key, override)]
    child = node.setdefault(key, {})
    if child is None:
        child = node[key] = {}
    if not isinstance(child, dict | list):
        raise FactoryError(f"--set {override!r}: {where + '.' if where else ''}{key} is a value, it has no keys")
    return child


def _index(node: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise FactoryError(f"--set {override!r}: {key!r} is not an index of a list of {len(node)}")
    return int(key)


def _explain(model: type[BaseModel], item: Any) -> str:
    """One validation error of pydantic's in one line of ours."""
    path, section = _locate(model, item["loc"])
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        siblings = list(section.model_fields) if section else []
        near = difflib.get_close_matches(path[-1], siblings, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; valid keys here: {', '.join(siblings)}"
        return f"unknown key {key!r}{hint}"
    if item["type"] == "missing":
        return f"key {key!r} is missing"
    return f"key {key!r}: {item['msg']}, not {item['input']!r}"


def _locate(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """The path as a user wrote it, and the section that holds its last key.

    pydantic names the chosen member of a union in its path; a recipe does not.
    """
    path: list[str] = []
    here: list[type[BaseModel]] = [model]  # sections that the path may be in: several where it goes through a union
    holder: type[BaseModel] | None = model
    for part in location:
        tagged = [m for m in here if part in _tags(m)] if len(here) > 1 else []
        if tagged:
            here = tagged
            continue
        path.append(str(part))
        holder = here[0] if here else None
        if not isinstance(part, int):  # an index leads into the same section
            here = [s for m in here if part in m.model_fields for s in _sections(m.model_fields[str(part)].annotation)]
    return path, holder


def _tags(section: type[BaseModel]) -> set[Any]:
    """Values that tell this member of a union from its siblings."""
    return {tag for f in section.model_fields.values() if typing.get_origin(f.annotation) is typing.Literal
            for tag in typing.get_args(f.annotation)}  # fmt: skip


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The models inside an annotation: itself, or inside Optional, Union, list, tuple or dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for inner in typing.get_args(annotation) for section in _sections(inner)]
