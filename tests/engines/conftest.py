"""One tiny model and one vLLM engine for all tests of this room; both are made once per session."""

from __future__ import annotations

import pytest
import pytest_asyncio

from factory import recipe
from tests.engines import tiny_model


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_config():
    return recipe.VllmSettings(
        dtype="float32",
        max_model_len=1024,
        max_num_seqs=16,
        chunk_tokens=16,
        num_cpus=0.5,
        num_gpus=0,
        extra={"kv_cache_memory_bytes": 2**27, "distributed_executor_backend": "uni"},  # starts sooner
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(tiny_model_dir, tiny_config):
    from factory.engines.vllm_engine import VllmEngine

    engine = VllmEngine(str(tiny_model_dir), tiny_config)
    yield engine
    await engine.close()
