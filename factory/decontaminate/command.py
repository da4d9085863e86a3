"""The command line's side of decontamination: which of its two forms is meant, the settings, where the lines go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from factory import settings
from factory.decontaminate.batch import PairJudge, decontaminate_file, decontaminate_pairs
from factory.decontaminate.check import Checked
from factory.decontaminate.index import BenchmarkIndex
from factory.errors import FactoryError
from factory.recipe import Decontaminate


def run(
    *,
    problems: str | None = None,
    benchmarks: Sequence[str] = (),
    pairs: str | None = None,
    out: str = "-",
    overrides: Sequence[str] = (),
    observe: Callable[[Checked, BenchmarkIndex], None] | None = None,
    judge: PairJudge | None = None,
) -> None:
    """Write one JSON line per row to `out`. Raises FactoryError where the options do not fit together."""
    config = settings.validate(Decontaminate, settings.override({}, overrides), "--set")
    if pairs and not problems and not benchmarks and not observe:
        lines = decontaminate_pairs(pairs, config, judge)
    elif problems and benchmarks and not pairs:
        lines = decontaminate_file(problems, benchmarks, config, observe, judge)
    else:
        raise FactoryError(
            "decontaminate takes either --problems with --benchmarks, or --pairs (of which there is no report)",
            remedy="factory decontaminate --problems A.jsonl --benchmarks B.jsonl C.jsonl --out R.jsonl",
        )
    write_lines(lines, out)


def write_lines(lines: Iterator[dict[str, Any]], out: str) -> None:
    """One JSON line each to the file `out`, or to standard output where that is `-`."""
    line = next(lines, None)  # what is wrong with the inputs shows before the output is touched
    with _opened(out) as file:
        while line is not None:
            print(json.dumps(line), file=file, flush=out == "-")
            line = next(lines, None)


@contextmanager
def _opened(out: str) -> Iterator[TextIO]:
    if out == "-":
        yield sys.stdout
        return
    try:
        with Path(out).open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise FactoryError(f"cannot write {out}", why=error.strerror or str(error)) from None
