"""JSON schemas as the TypeScript-like types in which harmony declares a function's parameters.

The layout, odd places included, is that of the reference renderer: models were trained on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_SCALARS = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}


def type_of(schema: Schema, indent: str = "") -> str:
    """The type that a schema describes; lines after the first begin with `indent`."""
    kind = schema.get("type")
    if schema.get("oneOf"):
        return "".join(f"\n{indent} | {_variant(v, indent)}" for v in schema["oneOf"])
    if isinstance(kind, list):
        return " | ".join("number" if name == "integer" else str(name) for name in kind)
    if kind == "object":
        return _object(schema, indent)
    if kind == "array":
        return f"{type_of(schema['items'], indent)}[]" if "items" in schema else "Array<any>"
    if kind == "string" and _is_enum(schema):
        return " | ".join(f'"{value}"' for value in schema["enum"])
    return _SCALARS.get(str(kind), "any")


def _object(schema: Schema, indent: str) -> str:
    required = set(schema.get("required", ()))
    lines = [f"{indent}// {schema['description']}", "{"] if schema.get("description") else ["{"]
    for name, value in schema.get("properties", {}).items():
        key = indent + name + ("" if name in required else "?")
        lines += _comments(value, indent)
        lines += _union(key, value, indent) if value.get("oneOf") else [_property(key, value, indent)]
    return "\n".join([*lines, indent + "}"])


def _property(key: str, value: Schema, indent: str) -> str:
    comment = f" // {_default(value)}" if "default" in value else ""
    return f"{key}: {_nullable(value, indent + '    ')},{comment}"


def _union(key: str, value: Schema, indent: str) -> list[str]:
    """A property of several types, one a line. A description above the property stands for that of the first type."""
    variants = value["oneOf"]
    described = _description(value)
    lines = [f"{indent}// {_default(value)}"] if "default" in value else []
    lines.append(f"{key}:")
    for position, variant in enumerate(variants):
        own = _description(variant)
        said_above = own == described or (position == 0 and described is not None)
        lines.append(f"{indent} | {_variant(variant, indent, described=not said_above)}")
    return [*lines, f"{indent},"]


def _variant(variant: Schema, indent: str, *, described: bool = True) -> str:
    comments = [_description(variant)] if described else []
    comments += [_default(variant)] if "default" in variant else []
    comment = " ".join(filter(None, comments))
    return _nullable(variant, indent + "   ") + (f" // {comment}" if comment else "")


def _comments(value: Schema, indent: str) -> list[str]:
    """The comment lines above a property: title, description, examples."""
    lines = [str(value["title"]), ""] if value.get("title") else []
    first = value["oneOf"][0] if value.get("oneOf") else {}
    description = _description(value)
    if description is not None and description != _description(first):
        lines.append(description)
    examples = [e for e in value.get("examples", ()) if isinstance(e, str)]
    lines += ["Examples:", *(f'- "{e}"' for e in examples)] if examples else []
    return [f"{indent}// {line}" if line else f"{indent}//" for line in lines]


def _nullable(schema: Schema, indent: str) -> str:
    written = type_of(schema, indent)
    return f"{written} | null" if schema.get("nullable") and "null" not in written else written


def _description(schema: Schema) -> str | None:
    description = schema.get("description")
    return description if isinstance(description, str) else None


def _default(schema: Schema) -> str:
    value = schema["default"]
    if isinstance(value, str) and _is_enum(schema):
        return f"default: {value}"
    if isinstance(value, str):
        return f'default: "{value}"'
    return f"default: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"


def _is_enum(schema: Schema) -> bool:
    return bool(schema.get("enum"))
