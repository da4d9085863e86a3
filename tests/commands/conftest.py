"""The embedding model and the small benchmarks that the tests of decontamination use."""

from __future__ import annotations

from tests.decontaminate.conftest import benchmark_files, embedder

__all__ = ["benchmark_files", "embedder"]
