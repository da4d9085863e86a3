"""`factory sandbox FILE.jsonl` and `factory doctor`, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from factory.commands import sandbox_file
from factory.errors import FactoryError
from factory.sandbox import doctor
from factory.sandbox.canary import Effect


def factory(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from factory.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(path: Path, *lines: Any) -> str:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return str(path)


def test_rows_in_their_order_with_bad_ones_among_them(tmp_path: Path) -> None:
    file = rows(
        tmp_path / "cells.jsonl",
        {"id": "slow", "cells": ["import time; time.sleep(1)", "x = 1"], "timeout_s": 5},
        "not json",
        {"id": "fresh", "cells": ["x"]},
        {"id": 3, "cells": "1"},
        "[1]",
        {"cells": ["1"]},
        {"id": 4, "cells": [1]},
        {"id": 5, "cells": ["1"], "timeout_s": -1},
        {"id": 6, "cells": ["1"], "timeout_s": "5"},
        "",
        '{"id": "\udcff"}',
        {"id": "dead", "cells": ["import os; os._exit(1)", "print('again')"]},
        {"id": "empty", "cells": []},
        {"id": {"any": "json"}, "cells": ["'ü \ud800'"]},
    )
    done = factory("sandbox", file, "--limits", "timeout_s=5,output_chars=100")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [
        *("slow", None, "fresh", 3, None, None, 4, 5, 6, None, "dead", "empty", {"any": "json"})
    ]
    errors = {index: answer["error"] for index, answer in enumerate(answers) if "error" in answer}
    assert sorted(errors) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert f"{file}:2: not JSON" in errors[1]
    assert f"{file}:4: `cells` must be a list of strings" in errors[3]
    assert answers[0]["results"][1]["status"] == "ok"
    assert "NameError" in answers[2]["results"][0]["stderr"]
    assert [(r["status"], r["state_lost"], r["stdout"]) for r in answers[10]["results"]] == [
        ("killed", True, ""),
        ("ok", False, "again\n"),
    ]
    assert answers[11]["results"] == []


def test_a_missing_file_is_three_lines() -> None:
    done = factory("sandbox", "/nowhere.jsonl")
    assert done.returncode == 2
    assert (
        done.stderr == "factory: cannot read /nowhere.jsonl\n  why: No such file or directory\n  fix: check the path\n"
    )


@pytest.mark.parametrize("limits", ["memory=1", "memory_mb", "memory_mb=x", "memory_mb=-5", "timeout_s=nope"])
def test_wrong_limits_are_refused(limits: str) -> None:
    with pytest.raises(FactoryError) as caught:
        sandbox_file.parse_limits(limits)
    assert "--limits" in str(caught.value)


def test_limits_are_the_recipe_s() -> None:
    config = sandbox_file.parse_limits("memory_mb=256, scratch_mb=8,output_chars=500")
    assert (config.memory_mb, config.scratch_mb, config.output_chars) == (256, 8, 500)


def test_doctor_prints_every_effect() -> None:
    done = factory("doctor")
    assert done.returncode == 0
    for name in ("files", "network", "exec", "signals", "environment", "memory", "hard_kill"):
        assert name in done.stdout


def test_the_table_names_what_is_missing_and_its_remedy() -> None:
    text = doctor.table([Effect("network", ("TCP socket",)), Effect("files", ())])
    assert "got through: TCP socket" in text
    assert "needs: a kernel and container that allow seccomp filters" in text
