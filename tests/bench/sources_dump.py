"""Speed and memory of the Stack Exchange dump reader on a generated Posts.xml, by one process and by two.

    python -m tests.bench.sources_dump [--mb 300] [--folder DIR]

Bodies have the length and the share of formulas of mathematical sites; a tenth of the answers stands far behind its
question. Also reads a dump of a quarter of the size, to show that memory does not grow with it.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from factory.recipe import Source
from factory.sources import read, splits
from tests.sources.dumps import answer, question

WORDS = (
    "let",
    "the",
    "of",
    "a",
    "group",
    "function",
    "that",
    "we",
    "have",
    "for",
    "all",
    "such",
    "prove",
    "limit",
    "value",
)
FORMULAS = [
    "$x &lt; y$",
    "$f(x)=\\frac{1}{x}$",
    "$$\n\\begin{aligned}a &amp;= b \\\\ c &amp;= d\\end{aligned}\n$$",
    "$G$",
]


def generate(path: Path, size: int) -> None:
    """A dump of about `size` bytes."""
    noise, late, number = random.Random(0), [], 0
    bodies = [body(noise) for _ in range(2000)]
    with path.open("wb") as file:
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        while file.tell() < size:
            number += 3
            file.write(
                question(number, Body=noise.choice(bodies), Tags="<algebra>", AcceptedAnswerId=number + 1) + b"\n"
            )
            for offset in (1, 2):
                row = answer(number + offset, number, Body=noise.choice(bodies), Score=offset)
                if noise.random() < 0.1:
                    late.append(row)
                else:
                    file.write(row + b"\n")
            if len(late) > 10_000:
                file.write(late.pop(noise.randrange(len(late))) + b"\n")
        file.writelines(row + b"\n" for row in late)
        file.write(b"</posts>\n")


def body(noise: random.Random) -> str:
    """HTML of about 1.2 KB, a quarter of it formulas."""
    paragraphs = []
    for _ in range(noise.randint(1, 7)):
        words = noise.choices(WORDS, k=noise.randint(10, 40))
        for _ in range(noise.randint(0, 6)):
            words.insert(noise.randrange(len(words)), noise.choice(FORMULAS))
        paragraphs.append(f"<p>{' '.join(words)}</p>")
    return "\n\n".join(paragraphs)


def read_part(path: Path, part: int, parts: int) -> None:
    """Read one part and print what it took: rows, CPU seconds, peak memory in MB."""
    source = Source(kind="stackexchange", path=str(path), site="math.example.org", splits=parts)
    rows = Counter(type(row).__name__ for row in read(splits(source)[part]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(sum(rows.values()), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measure(path: Path, parts: int) -> None:
    started = time.perf_counter()
    command = [sys.executable, "-m", __spec__.name, "--read", str(path), "--parts", str(parts), "--part"]
    running = [subprocess.Popen([*command, str(part)], stdout=subprocess.PIPE, text=True) for part in range(parts)]
    results = [list(map(float, process.communicate()[0].split())) for process in running]
    wall = time.perf_counter() - started
    rows, cpu = sum(r[0] for r in results), sum(r[1] for r in results)
    size = path.stat().st_size / 1e6
    peak = max(r[2] for r in results)
    print(
        f"{size:6.0f} MB, {parts} process: {size / wall:6.2f} MB/s of wall time, {size / cpu:6.2f} MB per CPU second,"
        f" peak {peak:.0f} MB a process, {rows:.0f} threads"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=300)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parts", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_part(options.read, options.part, options.parts)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size in (options.mb // 4, options.mb):
            path = Path(folder) / "Posts.xml"
            generate(path, size * 1_000_000)
            measure(path, 1)
        measure(path, 2)


if __name__ == "__main__":
    main()
