"""Reads prompt files and fills them in. Knows no model, no program and no engine.

A prompt is a YAML file beside this module:

    description: what the prompt asks, for whom, and how the reply is read
    template: |
      {{problem}}
      ...
    preamble: NAME        # optional: a prompt without variables of its own, put before this one
    example: |            # optional: how one few-shot example is worded
      ...

Few-shot examples are in `NAME.examples.yaml`, a list of mappings. Each is put through `example`, and the results,
joined by blank lines, stand in for `{{examples}}` in the template. A prompt with several sets of examples has a mapping
in both places, from each set's placeholder to its wording and to its list.

A placeholder is a name in double braces, as single braces are common in LaTeX. All placeholders are replaced in one
pass: text that is filled in is never searched, so braces in a forum post are harmless.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from factory import settings
from factory.errors import FactoryError
from factory.settings import Strict

FOLDER = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\{\{ *([a-z_][a-z0-9_]*) *\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt text with placeholders, and the few-shot examples that it shows."""

    name: str
    description: str
    template: str
    examples: Mapping[str, str] = field(default_factory=dict)  # by placeholder
    preamble: str = ""

    @property
    def variables(self) -> frozenset[str]:
        """Names that `render` must be given."""
        return frozenset(_PLACEHOLDER.findall(self.template)) - self.examples.keys()

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever a rendered prompt would."""
        parts = [self.template, *self.examples.values(), *([self.preamble] if self.preamble else [])]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def render(self, variables: Mapping[str, object]) -> str:
        """The prompt with every placeholder replaced; a missing or unknown variable is an error."""
        if self.variables != variables.keys():
            missing, unknown = self.variables - variables.keys(), variables.keys() - self.variables
            raise FactoryError(
                f"the prompt {self.name!r} cannot be filled in",
                why="; ".join(
                    f"{kind}: {', '.join(sorted(names))}"
                    for kind, names in (("no value for", missing), ("no placeholder for", unknown))
                    if names
                ),
                remedy=f"its placeholders are: {', '.join(sorted(self.variables)) or 'none'}",
            )
        return self.preamble + _fill(self.template, {**variables, **self.examples})


class _File(Strict):
    description: str = Field(min_length=1)
    template: str = Field(min_length=1)
    example: str | dict[str, str] | None = None
    preamble: str | None = None


@cache
def prompt(name: str) -> Prompt:
    """The prompt `name`: a file of this folder, or the path of a YAML file of the user's own."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in FOLDER.glob("*.yaml") if not p.stem.endswith(".examples"))
        raise FactoryError(
            f"there is no prompt {name!r}", why=f"{path} is not a file", remedy=f"known prompts: {', '.join(known)}"
        )
    file = settings.load(_File, path)
    template = file.template.strip()
    return Prompt(
        name=path.stem,
        description=file.description.strip(),
        template=template,
        examples=_examples(path, file.example, template),
        preamble=_preamble(path, file.preamble) if file.preamble else "",
    )


def _preamble(path: Path, name: str) -> str:
    """The text of the prompt `name`, which is beside the one that names it."""
    before = prompt(str(path.with_name(f"{name}.yaml")))
    if before.preamble or before.variables:
        raise FactoryError(
            f"{path} cannot begin with the prompt {name!r}",
            why="it has a preamble itself" if before.preamble else f"it has variables: {', '.join(before.variables)}",
            remedy="a preamble is the same text in every prompt",
        )
    return before.render({}) + "\n\n"


def _examples(path: Path, example: str | dict[str, str] | None, template: str) -> dict[str, str]:
    """The text of each set of examples that the template shows, by placeholder."""
    wordings = {"examples": example} if isinstance(example, str) else example or {}
    shown = set(_PLACEHOLDER.findall(template)) & {"examples", *wordings}
    if not shown:
        return {}
    source = path.with_suffix(".examples.yaml")
    content: Any = yaml.safe_load(source.read_text(encoding="utf-8")) if source.is_file() else None
    lists = content if isinstance(content, dict) else {"examples": content}
    return {name: _worded(path, name, wordings.get(name), lists.get(name)) for name in sorted(shown)}


def _worded(path: Path, name: str, example: str | None, rows: Any) -> str:
    needed = set(_PLACEHOLDER.findall(example or ""))
    if (
        example is None
        or not needed
        or not isinstance(rows, list)
        or not all(isinstance(r, dict) and needed <= r.keys() for r in rows)
    ):
        raise FactoryError(
            f"{path} uses {{{{{name}}}}}, but its examples cannot be read",
            why=f"it needs `example`, and in {path.stem}.examples.yaml beside it a list of mappings with its "
            "placeholders as keys",
        )
    return "\n\n".join(_fill(example.strip(), {key: str(value).strip() for key, value in row.items()}) for row in rows)


def _fill(template: str, variables: Mapping[str, object]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(variables[match[1]]), template)
