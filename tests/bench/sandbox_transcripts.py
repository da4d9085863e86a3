"""Run every cell of real transcripts through the sandbox and compare with the output recorded there.

    python tests/bench/sandbox_transcripts.py FOLDER [--timeout 30] [--show other,bug]

FOLDER holds gpt-oss-120b transcripts in harmony form and ToRA traces. Prints the agreement per file, and the
differences by cause. A cause is found from the code and the two outputs, so it is a guess that a person can check with
`--show`; what no rule explains is `other`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from factory import recipe
from factory.records import ToolCall
from factory.sandbox.local import LocalSandbox

_MESSAGE = re.compile(
    r"<\|start\|>(?P<who>[^<]*)(?:<\|channel\|>(?P<channel>[^<]*))?<\|message\|>(?P<text>.*?)<\|(?:end|call|return)\|>",
    re.DOTALL,
)
_BLOCK = re.compile(r"```python\n(.*?)```\s*```output\n(.*?)```", re.DOTALL)
_ERROR = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Iteration|Exit|NotImplemented))\b", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")


@dataclass
class Cell:
    trace: str
    code: str
    recorded: str


def harmony_cells(path: Path) -> Iterator[list[Cell]]:
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        cells, code = [], None
        for message in _MESSAGE.finditer(row["harmony_text"]):
            if "to=python" in (message["channel"] or "") + message["who"]:
                code = message["text"]
            elif message["who"].startswith("python") and code is not None:
                cells.append(Cell(row["id"], code, message["text"]))
                code = None
        yield cells


def tora_cells(path: Path) -> Iterator[list[Cell]]:
    """ToRA runs every block in an interpreter of its own, together with the blocks before it."""
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        yield [Cell(row["id"], code, output) for code, output in _BLOCK.findall(row["generation"])]


def cause(cell: Cell, call: ToolCall, timeout_s: float) -> str:
    """Why the two outputs differ, as far as can be told from them; `` where they agree."""
    ours, theirs = shown(call).strip(), cell.recorded.strip()
    if ours == theirs:
        return ""
    if "".join(ours.split()) == "".join(theirs.split()):
        return "white space only"
    if re.search(r"^\s*[!%]|\?\s*$", cell.code, re.MULTILINE) and call.status == "error":
        return "an IPython magic or shell escape"
    if not ours and theirs.startswith("[WARN] No output"):
        return "their harness says that there is no output"
    our_error, their_error = _ERROR.findall(ours), _ERROR.findall(theirs)
    if our_error and their_error and our_error[-1] == their_error[-1]:
        return "same error, other traceback"
    if "imeout" in theirs or "timed out" in theirs or call.status == "timeout":
        return "timing: a limit ended one of them"
    if re.search(r"\brandom\b|\bshuffle\b|\bsecrets\b", cell.code):
        return "random"
    if re.search(r"\btime\(|perf_counter|timeit|datetime", cell.code):
        return "timing: prints a time"
    if call.status == "memory":
        return "memory: our limit is smaller"
    if "cut]" in ours or "truncated" in theirs:
        return "length: one of them is cut"
    if re.sub(r" at 0x[0-9a-f]+", "", theirs) == ours or "0x" in theirs:
        return "echo style: address"
    if not theirs and not call.stdout:
        return "stderr not recorded"
    if sorted("".join(ours.split())) == sorted("".join(theirs.split())):
        return "order of a set or a dict"
    if "".join(call.stdout.split()) == "".join(theirs.split()):
        return "warning on stderr not recorded"
    if "ModuleNotFound" in ours or "ModuleNotFound" in theirs:
        return "version: a package that one of them lacks"
    if same_numbers(ours, theirs):
        return "last digits of floats, or their style"
    if re.search(r"\.\.\.|print truncated", theirs):
        return "length: one of them is cut"
    return "other"


def same_numbers(ours: str, theirs: str) -> bool:
    a, b = re.sub(r"np\.\w+\(([^)]*)\)", r"\1", ours), re.sub(r"np\.\w+\(([^)]*)\)", r"\1", theirs)
    if "".join(a.split()) == "".join(b.split()):
        return True
    if _NUMBER.sub("#", a).split() != _NUMBER.sub("#", b).split():
        return False
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return all(abs(float(x) - float(y)) <= 1e-6 * max(1.0, abs(float(x))) for x, y in pairs)


def shown(call: ToolCall) -> str:
    return call.stdout + call.stderr


async def replay(traces: list[list[Cell]], timeout_s: float) -> list[tuple[Cell, ToolCall]]:
    results: list[tuple[Cell, ToolCall]] = []
    async with LocalSandbox(recipe.SandboxSettings(timeout_s=timeout_s, cpu_s=1000, output_chars=100_000)) as sandbox:
        gate = asyncio.Semaphore(8)

        async def one(cells: list[Cell]) -> list[tuple[Cell, ToolCall]]:
            async with gate:
                session = await sandbox.open()
                calls = [(cell, await session.run(cell.code)) for cell in cells]
                await session.close()
                return calls

        for answered in await asyncio.gather(*(one(cells) for cells in traces)):
            results += answered
    return results


# A difference of one of these kinds leaves other variables behind than the recorded session had.
_SPREADS = ("timing: a limit", "random", "order of a set", "memory", "version", "an IPython")


def blame_the_first(results: list[tuple[Cell, ToolCall]], causes: list[str]) -> None:
    """What no rule explains in a trace whose state differs already is put down to that earlier difference."""
    spread: set[str] = set()
    for index, (cell, call) in enumerate(results):
        if causes[index].startswith(_SPREADS) or call.state_lost:
            spread.add(cell.trace)
        elif causes[index] == "other" and cell.trace in spread:
            causes[index] = "follows from an earlier difference"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--show", default="", help="print the differences of these causes (a prefix each)")
    options = parser.parse_args()
    readers = {
        "traces_gptoss120b_harmony_tir.jsonl": harmony_cells,
        "traces_tora70b_gsm8k_tir.jsonl": tora_cells,
        "traces_tora_examples_math_tir.jsonl": tora_cells,
    }
    for name, reader in readers.items():
        results = asyncio.run(replay(list(reader(options.folder / name)), options.timeout))
        report(name, results, options.timeout, tuple(filter(None, options.show.split(","))))


def report(name: str, results: list[tuple[Cell, ToolCall]], timeout_s: float, show: tuple[str, ...]) -> None:
    causes = [cause(cell, call, timeout_s) for cell, call in results]
    blame_the_first(results, causes)
    counts = Counter(causes)
    print(f"{name}: {len(results)} cells, {counts.pop('', 0)} equal ({causes.count('') / len(results):.1%})")
    for reason, count in counts.most_common():
        print(f"    {count:4} {reason}")
    for (cell, call), reason in zip(results, causes, strict=True):
        if reason and reason.startswith(show or ("\0",)):
            print(f"--- {cell.trace}: {reason} ({call.status}, {call.seconds:.1f} s)")
            for head, text in (("code", cell.code), ("ours", shown(call)), ("recorded", cell.recorded)):
                print(f"  {head}:\n" + textwrap.indent(text[-1500:].strip(), "    "))


if __name__ == "__main__":
    main()
