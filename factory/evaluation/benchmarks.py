"""Benchmarks as inputs of an evaluation: the files of `factory benchmarks`, each with its digest."""

from __future__ import annotations

import hashlib

from factory.decontaminate.benchmarks import Benchmark, contents, named, place_of
from factory.errors import FactoryError
from factory.recipe import BenchmarkFiles, Source


def sources(section: BenchmarkFiles) -> list[Source]:
    """One source for each benchmark, its ids under its file's stem: `aime25/7`."""
    return [
        Source(path=place_of(section.folder, benchmark), name=benchmark.file, ids="named")
        for benchmark in named(section.names)
    ]


def digests(section: BenchmarkFiles) -> dict[str, str]:
    """SHA-256 of each benchmark's file, by the benchmark's name. Raises `FactoryError` for one that is not there."""
    return {
        benchmark.name: hashlib.sha256(_read(section.folder, benchmark)).hexdigest()
        for benchmark in named(section.names)
    }


def _read(folder: str, benchmark: Benchmark) -> bytes:
    path = place_of(folder, benchmark)
    try:
        return contents(path)
    except (OSError, ValueError) as error:
        raise FactoryError(
            f"the benchmark {benchmark.name} is not at {path}",
            why=" ".join(str(error).split()),
            remedy=f"`factory benchmarks {folder} --fetch` gets what the Hub has; {benchmark.source}",
        ) from None
