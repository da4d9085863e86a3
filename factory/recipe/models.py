"""Which model plays which role, and which engine serves it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from factory.recipe.fields import Fraction, Positive
from factory.records import Mode
from factory.settings import Strict, added, operational

Role = Literal["teacher", "curator", "judge", "student"]

NUMERICS = {
    "hf_overrides", "kv_cache_dtype", "kv_cache_dtype_skip_layers", "logits_processors", "lora_dtype", "model_impl",
    "quantization", "quantization_config", "spec_method", "spec_model", "spec_tokens", "speculative_config",
}  # fmt: skip
"""Engine arguments of vLLM's that change what a model says, or how it is drawn."""


class VllmSettings(Strict):
    """vLLM as a Ray Serve deployment of replicas, each around one `AsyncLLM`."""

    kind: Literal["vllm"] = "vllm"
    dtype: str = "auto"
    max_model_len: Positive | None = None
    tensor_parallel_size: Positive = operational(1)
    replicas: tuple[int, int] = operational((1, 1))
    """Minimum and maximum replicas of the autoscaled pool."""
    num_cpus: Annotated[float, Field(ge=0)] | None = operational(None)
    """CPUs that Ray sets aside for a replica; where none are given, none beside GPUs and 1 without. Engines that ask
    for GPUs alone, and everything else for CPUs alone, never stand in each other's way."""
    num_gpus: float = operational(1.0)
    """GPUs of one tensor-parallel rank; a replica asks one machine for this times `tensor_parallel_size`."""
    upscale_delay_s: float = operational(10.0)
    downscale_delay_s: float = operational(300.0)
    """How long the load must ask for more, or fewer, replicas before the pool follows."""
    drain_s: float = operational(120.0)
    """How long a replica that leaves may finish its requests; what is left then continues at another replica."""
    linger_s: float = operational(300.0)
    """How long the pool stays for a job that was stopped or has died: a start within that time finds it warm."""
    silence_s: Annotated[float, Field(gt=0)] = operational(300.0)
    """A replica that has requests and gives no token for that long is replaced, and a stream from which nothing comes
    for that long continues at another one."""
    max_num_seqs: Positive = operational(256)
    """Sequences that one replica decodes at once."""
    chunk_tokens: Positive = operational(64)
    """Tokens per message from engine to program: at most this many are generated twice when an engine dies."""
    gpu_memory_utilization: Fraction = operational(0.9)
    extra: dict[str, Any] = operational(default_factory=dict)
    """Further `AsyncEngineArgs` of vLLM that change speed alone, passed as they are, nested ones too
    (`compilation_config: {...}`)."""
    numerics: dict[str, Any] = added(default_factory=dict)
    """Further `AsyncEngineArgs` that change what the model says: `kv_cache_dtype`, `quantization`,
    `speculative_config`... Part of the fingerprint, and named in the column `engine` of every trace."""

    @field_validator("extra")
    @classmethod
    def _only_speed(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if changing := sorted(NUMERICS & extra.keys()):
            raise ValueError(f"{', '.join(changing)} changes what the model says: move it to `numerics`")
        return extra

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


class EndpointSettings(Strict):
    """Any server that speaks the OpenAI completions API."""

    kind: Literal["endpoint"] = "endpoint"
    url: str
    api_key_env: str | None = operational(None)
    """Name of the environment variable that holds the key; the key itself never stands in a recipe."""
    concurrency: Positive = operational(64)
    silence_s: Annotated[float, Field(gt=0)] = operational(300.0)
    """A stream that has begun and from which nothing comes for that long is asked for again."""
    max_model_len: Positive | None = None
    """Context window, for servers that do not tell it (vLLM does)."""


def _engine_kind(value: Any) -> Any:
    """An engine that does not say its kind is vLLM."""
    return value.get("kind", "vllm") if isinstance(value, dict) else getattr(value, "kind", None)


AnyEngine = Annotated[
    Annotated[VllmSettings, Tag("vllm")] | Annotated[EndpointSettings, Tag("endpoint")], Discriminator(_engine_kind)
]


class ChatSettings(Strict):
    """How the dialect `chat` speaks to a model: in the format of its own chat template."""

    family: str | None = None
    """A family of `docs/teachers.md`, or `template` for the model's own template. None finds it by the template."""
    effort: dict[Mode, dict[str, bool | int | float | str]] = Field(default_factory=dict)
    """What tells the model to think more or less in each mode: settings of its template (`reasoning_effort: low`,
    `enable_thinking: false`), or words under `sentence`. Empty takes what the family has."""


class Teacher(Strict):
    """A model in a role: which weights, in which chat dialect, served by which engine."""

    model: str
    """Hub name, directory, or a bucket's `s3://bucket/prefix`, from which each machine fetches it once."""
    revision: str | None = None
    dialect: str = "harmony"
    """The chat format that the weights were trained on: `harmony`, `fenced`, `chat` (the model's own template), or
    another of `factory/dialects/`."""
    chat: ChatSettings | None = added(None)
    """Settings of the dialect `chat`."""
    ask_tokens: Positive = 4096
    """Budget of one answer in the role of curator or judge."""
    ask_mode: Mode = Mode.LOW
    """Reasoning effort of one answer in the role of curator or judge."""
    engine: AnyEngine = VllmSettings()

    @model_validator(mode="after")
    def _spoken(self) -> Self:
        if self.chat is not None and self.dialect != "chat":
            raise ValueError(f"`chat` holds settings of the dialect chat, and the dialect is {self.dialect}")
        return self

    @property
    def served(self) -> str:
        """Weights and engine settings: roles whose models are equal in these share one pool of engines."""
        return f"{self.model}\0{self.revision}\0{self.engine.model_dump_json()}"
