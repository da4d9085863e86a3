"""The documentation names things that exist: files, links, recipe keys, figures, commands and options, idle causes."""

from __future__ import annotations

import ast
import dataclasses
import re
import shlex
import typing
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from factory.cli import app
from factory.engines.admission import Idle
from factory.planning.figures import PlanFigures
from factory.recipe import Recipe
from tests.conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request) -> Path:
    return request.param


def code_spans(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def commands(page: Path) -> Iterator[list[str]]:
    """Every `factory ...` in blocks and spans, as words."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", page.read_text(), flags=re.DOTALL)).replace("\\\n", " ")
    for text in [*blocks.splitlines(), *code_spans(page)]:
        if text.startswith("factory "):
            yield shlex.split(text, comments=True)[1:]


def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_files_that_are_named_exist(page):
    for span in code_spans(page):
        if re.fullmatch(r"[\w./*]+\.(py|yaml)", span) and "mine" not in span and span != "NAME.py":
            places = [ROOT, ROOT / "factory", *(ROOT / "factory").iterdir(), ROOT / "jobs"]
            assert any(list(place.glob(span)) for place in places if place.is_dir()) or "NAME" in span, span


def test_recipe_keys_that_are_named_exist(page):
    for span in code_spans(page):
        path = span.split(":")[0].split("=")[0].removesuffix("[]").split(".")
        if (
            len(path) > 1
            and path[0] in Recipe.model_fields
            and not span.endswith((".py", ".json", ".jsonl", ".yaml", ".parquet"))
        ):
            assert known(Recipe, path), span


def test_commands_that_are_shown_exist_with_their_options(page):
    group: Any = typer.main.get_command(app)
    for name, *words in commands(page):
        assert name in group.commands, f"factory {name}"
        options = {o for parameter in group.commands[name].params for o in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words
        shown = [b for a, b in pairwise(words) if a == "--figure"]
        assert {figure.split("=")[0].split(".")[0] for figure in shown} <= set(PlanFigures.model_fields)


def test_commands_that_an_error_recommends_exist_with_their_options():
    """Every string of the library that says `factory ...`: remedies above all."""
    group: Any = typer.main.get_command(app)
    names = {*group.commands, *(f"trace {name}" for name in group.commands["trace"].commands)}
    said = [(path, text) for path in sorted((ROOT / "factory").rglob("*.py")) for text in recommended(path)]
    assert said
    for path, text in said:
        name = re.match(r"(trace )?[a-z-]+", text)
        assert name is not None, (path, text)
        assert name[0] in names, (path, text)
        command = group.commands[name[0].split()[0]]
        options = {o for parameter in command.params for o in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", text)) <= options or "trace" in name[0], (path, text)


def recommended(path: Path) -> Iterator[str]:
    """What follows `factory ` in a `remedy=` of a file, up to a backtick or the end; values that it fills in are X."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "remedy":
            text = "".join(words(node.value))
            yield from (found.rstrip() for found in re.findall(r"(?:^|`)factory ([^`;]+)", text))


def words(node: ast.AST) -> Iterator[str]:
    """The text of a string expression, branches one after the other."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.FormattedValue():
            yield "X"
        case _:
            for child in ast.iter_child_nodes(node):
                yield from words(child)


def test_the_tuning_guide_tells_every_cause_of_idle_time():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "tuning.md").read_text(), flags=re.MULTILINE)
    assert {"busy", *rows} == {field.name for field in dataclasses.fields(Idle)}


def test_the_tuning_guide_says_which_changes_make_another_run():
    """Operational keys may change between two starts of one run; every other key that is named comes with a warning."""
    for line in (ROOT / "docs" / "tuning.md").read_text().splitlines():
        for span in re.findall(r"`([a-z_.]+)[`:]", line):
            path = span.split(".")
            if len(path) > 1 and path[0] in Recipe.model_fields and not operational(path):
                assert "fingerprint" in line or "changes results" in line, span


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    assert {page.name for page in PAGES} - {"README.md"} == set(re.findall(r"\]\((\w+\.md)\)", index))


def operational(path: list[str]) -> bool:
    here: list[type[BaseModel]] = [Recipe]
    extra: Any = None
    for key in path:
        field = next(m.model_fields[key] for m in here if key in m.model_fields)
        here, extra = sections(field.annotation), field.json_schema_extra
    return isinstance(extra, dict) and extra.get("operational") is True


def known(model: type[BaseModel], path: list[str]) -> bool:
    """Whether a path of keys leads through the model; an index leads into a list's section."""
    here: list[type[BaseModel]] = [model]
    for key in path:
        if key.isdigit():
            continue
        annotations = [m.model_fields[key].annotation for m in here if key in m.model_fields]
        if not annotations:
            return False
        here = [section for annotation in annotations for section in sections(annotation)]
    return True


def sections(hint: Any) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [section for inner in typing.get_args(hint) for section in sections(inner)]
