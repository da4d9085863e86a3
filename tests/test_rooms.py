"""Rooms know only rooms below them: the order is the table in `factory/__init__.py`, and every import is checked."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import factory
from tests.conftest import ROOT

FILES = sorted((ROOT / "factory").rglob("*.py"))

KNOW_RAY = {
    "cluster/fence.py",
    "cluster/fit.py",
    "cluster/metrics_sink.py",
    "cluster/services.py",
    "cluster/usage.py",
    "cluster/waiting.py",
    "engines/lease.py",
    "engines/routing.py",
    "engines/serve.py",
    "engines/serve_pool.py",
    "engines/serve_replica.py",
    "graph.py",
    "launch.py",
    "pipeline.py",
    "runs/build_graph.py",
    "sandbox/pool.py",
    "tuning/tune.py",
}


def table() -> list[str]:
    """The rooms from the bottom up. A line of the table is `    name, name: what they are`."""
    lines = re.findall(r"^    ([a-z_]+(?:, [a-z_]+)*): ", factory.__doc__ or "", flags=re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(text: str) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, also those inside functions; `from a import b` may name the module a.b."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def upward(path: Path, text: str, order: list[str]) -> list[str]:
    """What a file of the package imports from rooms that do not stand below its own."""
    mine = path.relative_to(ROOT / "factory").parts[0].removesuffix(".py")
    if mine == "__init__":
        mine = ""
    found = []
    for line, module in imports(text):
        if module.split(".")[0] != "factory" or (room := room_of(module)) in (mine, "__version__"):
            continue
        if not mine or order.index(room) >= order.index(mine):
            found.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    return found


def test_the_table_names_every_room_once():
    order = table()
    there = {path.name.removesuffix(".py") for path in (ROOT / "factory").iterdir() if is_room(path)}
    assert sorted(order) == sorted(there)


def is_room(path: Path) -> bool:
    return (path / "__init__.py").exists() or (path.suffix == ".py" and path.name != "__init__.py")


def test_no_import_points_upwards():
    order = table()
    assert [arrow for path in FILES for arrow in upward(path, path.read_text(), order)] == []


def test_an_import_that_points_upwards_is_found_wherever_it_stands():
    order = ["errors", "store", "report"]
    path = ROOT / "factory" / "store" / "fs.py"
    assert upward(path, "from factory import errors\nfrom factory.store import fs\nimport json", order) == []
    for text in (
        "from factory import report",
        "import factory.report.page",
        "def f():\n    from factory.report.page import report",
        "if TYPE_CHECKING:\n    from factory.report import page",
    ):
        assert len(upward(path, text, order)) == 1, text


def test_only_these_files_know_ray():
    """Everything else runs, and is tested, without a cluster."""
    found = {
        str(path.relative_to(ROOT / "factory"))
        for path in FILES
        if any(module.split(".")[0] == "ray" for _, module in imports(path.read_text()))
    }
    assert found == KNOW_RAY


READING_COMMANDS = """
import sys
from factory.cli import app
run, recipe, page = sys.argv[1:]
for command in (
    ["plan", recipe],
    ["status", run],
    ["report", run, "--out", page],
    ["why", run, "demo-001"],
    ["disagreement", run],
    ["audit", run, "--answers", "0", "--cells", "0"],
):
    try:
        app(command)
    except SystemExit as end:
        assert end.code in (0, None), command
    loaded = {"ray", "torch", "vllm"} & set(sys.modules)
    assert not loaded, f"factory {command[0]} imports {loaded}"
"""


def test_commands_that_read_a_run_import_neither_ray_nor_torch_nor_vllm(tmp_path):
    """They answer at once, and on a machine that has none of the three."""
    run = shutil.copytree(ROOT / "tests" / "stored_runs" / "2026-11", tmp_path / "run")
    arguments = [str(run), str(ROOT / "jobs" / "recipes" / "demo.yaml"), str(tmp_path / "report.html")]
    subprocess.run([sys.executable, "-c", READING_COMMANDS, *arguments], check=True, cwd=ROOT)
