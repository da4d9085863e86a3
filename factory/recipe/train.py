"""The recipe of a training: a student, the runs it learns from, and the stages in which it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from factory.recipe.base import AnyRecipe
from factory.recipe.fields import Fraction, Positive
from factory.recipe.machines import Prices
from factory.records import Mode
from factory.settings import Strict, operational

PUBLISHED_EDGES = (16_384, 32_768, 65_536, 131_072)
"""Upper edges of Nemotron-Math's buckets (its paper, section 4.2), in tokens."""


class Student(Strict):
    """The model that is trained: any causal language model of Hugging Face's form."""

    model: str
    """A directory, a URI or a hub name; with its tokenizer."""
    revision: str | None = None
    tokens: Literal["auto", "as_published", "retokenize"] = "auto"
    """Published token ids are the teacher's. `as_published` trains on them and needs a student with the very same
    tokenizer; `retokenize` writes the teacher's text, control tokens included, as text of the student's tokenizer, as
    Nemotron-Math did. `auto` keeps the ids where the tokenizers are the same."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Of the arithmetic and of the finished student; weights and optimizer are kept in float32 while it learns."""


class TrainingData(Strict):
    """The published traces of one run, or some of them."""

    kind: Literal["run"] = "run"
    path: str
    """The --out that the run was given."""
    version: Positive | None = None
    """The published version; the newest where none is given, which the first start then keeps to."""
    digest: str | None = None
    """The digest of that version's manifest. Filled in, so that a student says what it was trained on."""
    tokenizer: str | None = None
    """Where the tokenizer of the traces lies, if not with the teacher that the run's recipe names."""
    modes: tuple[Mode, ...] = (Mode.HIGH, Mode.MEDIUM, Mode.LOW)
    tools: tuple[Literal["python", "none"], ...] = ("python", "none")
    min_difficulty: Fraction = 0.0
    max_difficulty: Fraction = 1.0
    """Bounds of the problem's pass rate in low mode. A row without one is kept unless a bound is given."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the problems, by a hash of their id: a smaller share is part of a larger one."""


class StageChoice(Strict):
    """One stage, pinned by hand. What is left out follows the layout rule."""

    edge: Positive
    """Longest trace of the stage in tokens; the stage before it gives the lower edge."""
    pack: Positive | None = None
    """Tokens of one pack."""
    context_parallel: Positive | None = None
    """GPUs that share one sequence."""


class Optimizer(Strict):
    """AdamW at a constant rate, without warm-up: the values of Nemotron-Math where it gives them."""

    lr: Annotated[float, Field(gt=0)] = 2e-4
    betas: tuple[Fraction, Fraction] = (0.9, 0.98)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of a gradient."""


class Machine(Strict):
    """The workers that train, and what the plan takes their GPUs to be."""

    workers: Positive = operational(1)
    """Training processes: one a GPU, or one a group of cores where `gpu` is false. Must divide the packs of a step."""
    gpu: bool = operational(True)
    cpus_per_worker: Annotated[float, Field(gt=0)] = operational(1.0)
    memory_gb: Positive = 80
    """Memory of one GPU: by it the layout rule chooses pack lengths and context parallelism."""
    peak_tflops: Positive = operational(989)
    """Dense bf16 peak of one GPU, for the plan; an H100's where none is given."""
    interconnect_gb_s: Positive = operational(450)
    """Between the GPUs of one node, in one direction."""
    network_gb_s: Positive = operational(50)
    """Between nodes, for each GPU."""


class Train(AnyRecipe):
    """A training: traces of runs in, a student out, bucket after bucket of rising length."""

    kind: Literal["train"] = "train"
    student: Student
    data: list[TrainingData] = Field(min_length=1)
    stages: Literal["auto"] | tuple[StageChoice, ...] = "auto"
    """`auto`: the published edges 16K, 32K, 64K and 128K that have rows, each with the layout of the rule."""
    epochs: Positive = 2
    """Of each stage. Nemotron-Math's step times amount to about two."""
    batch: Positive = 2048
    """Traces of one step, on average."""
    mix: dict[Mode, Fraction] = Field(default_factory=dict)
    """Shares of the last stage's traces that are drawn from earlier buckets by mode, such as {medium: 0.05, low: 0.05}:
    that bucket is almost only high mode, and training on it alone makes the other modes longer."""
    hold_out: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Share of the problems, by a hash of their id, that is never trained on but measured at each checkpoint."""
    hold_out_traces: Positive = 64
    """Most held-out traces of one mode, tool and bucket that are measured."""
    optimizer: Optimizer = Optimizer()
    seed: int = 0
    machine: Machine = Machine()
    save_every_s: Annotated[float, Field(ge=0)] = operational(600.0)
    """Seconds between checkpoints: the most work that a lost worker costs. A held-out loss is taken with each."""
    restarts: Positive = operational(8)
    """Failed workers that one start makes up for; preempted machines do not count."""
    prices: Prices = operational(Prices())

    @field_validator("stages")
    @classmethod
    def _rising(cls, stages: Literal["auto"] | tuple[StageChoice, ...]) -> Literal["auto"] | tuple[StageChoice, ...]:
        edges = [stage.edge for stage in stages] if stages != "auto" else []
        if stages != "auto" and (not edges or sorted(set(edges)) != edges):
            raise ValueError("stages are one or more, each with a longer edge than the one before")
        for stage in stages if stages != "auto" else ():
            if stage.pack and stage.pack < stage.edge:
                raise ValueError(f"a pack of {stage.pack} tokens does not hold the traces of the edge {stage.edge}")
        return stages

    @model_validator(mode="after")
    def _room_for_the_last_stage(self) -> Train:
        if sum(self.mix.values()) >= 1:
            raise ValueError("mix leaves no traces of the last stage's own: its shares must add up to less than 1")
        return self

    @property
    def choices(self) -> tuple[StageChoice, ...]:
        return tuple(StageChoice(edge=edge) for edge in PUBLISHED_EDGES) if self.stages == "auto" else self.stages

    @property
    def mixed(self) -> Mapping[Mode, float]:
        return {mode: share for mode, share in self.mix.items() if share}
