"""docs/extending.md keeps its word: each of its diffs is one new file and at most two changed lines, and it works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
DIFFS = {
    title: diff
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    for diff in re.findall(r"^```diff\n(.*?)^```", body, re.M | re.S)
}
STORED_RUN = str(ROOT / "tests" / "stored_runs" / "2026-11")
CHECKS = {
    "A program over stored answers": """
from factory import runs
from factory.cluster.demand import pools
from factory.programs.vote import VOTE, Vote
from factory.stages.worker import worker_class
recipe = Vote(name="n", source={"kind": "run", "path": "x"})
kind = runs.of_recipe(recipe)
assert [stage.program for stage in kind.stages(recipe)] == [VOTE]
assert [pool.keys for pool in pools(recipe, kind.stages(recipe))] == [("programs.workers",)]
assert worker_class(VOTE).__name__ == "Vote"
import asyncio
from factory.programs.answered import AnsweredProblem
from factory.recipe import Solve
from factory.verify import equivalent
from tests.programs.test_rejudge import stored
from tests.programs.test_solve import Scripted, modes
row = stored(modes(high=("8",) * 10 + ("7",) * 6))
verdict = asyncio.run(VOTE.run(row, Scripted({}), recipe.model_copy(update={"solve": Solve()}))).journal[-1]
assert verdict.reference == "8", verdict
""",
    "A kind of run": """
import asyncio, sys
from pathlib import Path
from factory import ingest, runs
from factory.cluster.demand import bundles, pools
from factory.programs.solve import SOLVE
from factory.store.publish import in_process
from factory.store.run import Run
folder = Path(sys.argv[1])
(folder / "p.jsonl").write_text('{"id": "a", "problem": "1 + 1?", "answer": "2"}\\n')
text = f"kind: trial\\nname: t\\nsources: [{{path: {folder}/p.jsonl}}]\\nteacher: {{model: m}}\\n"
(folder / "r.yaml").write_text(text)
recipe = runs.load(folder / "r.yaml")
kind = runs.of_recipe(recipe)
run = Run.open(str(folder / "run"), recipe)
assert runs.of_run(Run.attach(run.uri)) is kind
assert kind.read_inputs(run, recipe, in_process).problems == 1
keys = {key for pool in pools(recipe, kind.stages(recipe)) for key in pool.keys}
assert keys == {"sandbox.actors", "programs.workers"}, keys
assert "engine" in bundles(recipe, kind.stages(recipe)).values()
""",
    "A dialect": r"""
import json, sys
from pathlib import Path
from factory.commands.trace_file import parse_file
from factory.dialects import dialect
from factory.dialects.r1 import CONTROL
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.errors import FactoryError
from factory.recipe import Teacher
from factory.records import Mode, Origin
tokenizer = ByteTokenizer(CONTROL)
chat = dialect(Teacher(model="m", dialect="r1").dialect, tokenizer, "It has no network.")
prompt = chat.prompt("1 + 1?", mode=Mode.HIGH, tool=False)
said = encode_markup(tokenizer, "One more.</think>\n\nIt is 2.<｜User｜>Go on<｜end▁of▁sentence｜>")
parsed = chat.parse(prompt + said, [Origin.PROMPT] * len(prompt) + [Origin.GENERATED] * len(said))
assert [m.role for m in parsed.messages] == ["system", "user", "assistant"]
assert parsed.messages[1].content == "1 + 1?" and parsed.messages[2].reasoning_content == "One more."
assert parsed.final == "It is 2.<｜User｜>Go on" and not parsed.truncated  # a mark it wrote opens no message
assert [m.role for m in chat.parse(prompt + said).messages] == ["system", "user", "assistant", "user"]
for end in range(len(prompt + said)):
    assert chat.parse((prompt + said)[:end]).truncated
try:
    chat.prompt("1 + 1?", mode=None, tool=True)
    raise AssertionError("a prompt with a tool that there is not")
except FactoryError:
    pass
row = {"id": "a", "text": "<think>One more.</think>It is \\boxed{2}.<｜end▁of▁sentence｜>"}
file = Path(sys.argv[1], "t.jsonl")
file.write_text(json.dumps(row))
(line,) = map(json.loads, parse_file(str(file), "r1"))
assert (line["final_answer"], line["truncated"], line["roundtrip"]) == ("2", False, True), line
""",
    "A row kind of the journal": """
import sys
from factory.recipe import Recipe
from factory.store.counts import RowCount, sums
from factory.store.preferences import Preference
from factory.store.run import Run
recipe = Recipe(name="n", sources=[{"path": "x"}], teacher={"model": "m"})
run = Run.open(sys.argv[1], recipe)
rows = [Preference(owner=f"p{n % 3}", chosen=f"a{n}", rejected=f"b{n}", model=f"m{n % 2}") for n in range(10)]
journal = run.writer("w", recipe.journal)
for row in rows:
    journal.append(row)
journal.close()
reader = Run.attach(run.uri).reader()
assert [row for owner in ("p0", "p1", "p2") for row in reader.rows(Preference, owner)] == sorted(
    rows, key=lambda row: row.owner
)
counted = sums(part.tally for part in reader.parts(Preference))
assert counted == {"m0": RowCount(5), "m1": RowCount(5)}, counted
assert reader.count_verdicts() == 0
""",
    "A view": """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from factory.views.export import export
from factory.views.registry import named, options_of
view = named("wrong_answers")
one, two = (export(view, sys.argv[2], f"{sys.argv[1]}/{copy}", options_of(view, [])) for copy in ("one", "two"))
assert one.to_bytes() == two.to_bytes()
(file,) = one.files
rows = pq.ParquetFile(Path(sys.argv[1], "one", file.key)).read().to_pylist()
assert len(rows) == one.funnel.used == one.funnel.read - one.funnel.left_out.total() > 0
assert all(row["answer"] != row["reference"] for row in rows)
""",
    "The form of a published row": """
import shutil, sys
import pyarrow.parquet as pq
from factory import runs
from factory.store.manifest import latest, load
from factory.store.publish import publish
from factory.store.run import Run
from factory.recipe import Recipe
from factory.views.conversations import COLUMNS
for copy in ("one", "two"):
    shutil.copytree(sys.argv[2], f"{sys.argv[1]}/{copy}")
runs_ = [Run.attach(f"{sys.argv[1]}/{copy}") for copy in ("one", "two")]
before = latest(runs_[0].store)
whole = {row["uid"]: row for file in load(runs_[0].uri) for row in pq.ParquetFile(file).read().to_pylist()}
first, second = (publish(run, Recipe.model_fields["publish"].get_default(), runs.of_run(run).view) for run in runs_)
assert first.version == before.version + 1 and first.report == before.report
assert first.to_bytes() == second.to_bytes()
rows = [row for file in load(runs_[0].uri) for row in pq.ParquetFile(file).read().to_pylist()]
assert len(rows) == first.report.published == len(whole) > 0
assert rows == [{name: whole[row["uid"]][name] for name in COLUMNS} for row in rows]
""",
}


@pytest.mark.parametrize("title", DIFFS)
def test_a_diff_is_one_new_file_and_at_most_two_changed_lines(title):
    files = re.split(r"^(?=--- )", DIFFS[title], flags=re.M)[1:]
    new = [file for file in files if file.startswith("--- /dev/null")]
    changed = [line for file in files if file not in new for line in file.splitlines()[2:] if line[0] in "+-"]
    assert len(new) == 1
    assert 1 <= len(changed) <= 2


@pytest.mark.parametrize("title", DIFFS)
def test_what_a_diff_builds_works(title, tmp_path):
    for part in ("factory", "tests/programs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("tests/conftest.py",):
        shutil.copy(ROOT / part, tmp_path / part)
    done = subprocess.run(["git", "apply", "-p1"], input=DIFFS[title], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "data").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.')\n{CHECKS[title]}", "data", STORED_RUN],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_diff_is_tried():
    assert DIFFS.keys() == CHECKS.keys()
