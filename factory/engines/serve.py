"""Pools of vLLM replicas on Ray Serve: placed, autoscaled, drained. A replica: `serve_replica`. A client: `serve_pool`.

A replica holds no state that matters: it may be killed at any time, and a request goes on at another one. A trace's
turns go to the replica that holds their prefix, unless it has more than its share (`routing`).
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig, ProxyLocation, RequestRouterConfig
from ray.serve.schema import ApplicationStatus, LoggingConfig

from factory import recipe
from factory.engines import model_files
from factory.engines.serve_pool import ServePool
from factory.engines.serve_replica import Replica, ReplicaHome
from factory.store.fs import Store

log = logging.getLogger(__name__)

START_TRIES = 30
"""Replicas that may fail in a row before the first one is up: some for every bad machine of a spot market."""
CONTROLLER_VARIABLES = {"RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT": str(START_TRIES)}
"""For the environment of Ray Serve's controller, or it gives up after three for every replica that it wants."""
_ROUTER = "factory.engines.routing.BoundedLoadRouter"
_ALIVE = {ApplicationStatus.DEPLOYING, ApplicationStatus.RUNNING, ApplicationStatus.UNHEALTHY}


def deploy(run: str, teacher: recipe.Teacher, store: Store | None = None) -> ServePool:
    """Start the pool of a model for a run, or find it where the run already has it, and return without waiting.

    `store` is the run's: its replicas keep there what they tell each other and the user. Roles with the same model,
    revision and engine settings get the same pool. `ServePool.identity` waits for the first replica. Needs a Ray that
    is already initialised; raises `FactoryError` for a model directory that is here and incomplete.
    """
    engine = teacher.engine
    if not isinstance(engine, recipe.VllmSettings):
        raise TypeError(f"only vLLM engines are deployed here, not {engine.kind}")
    model = _locate(teacher.model, teacher.revision)
    name = pool_name(run, teacher)
    serve.start(proxy_location=ProxyLocation.Disabled)
    status = _status(name)
    while status == ApplicationStatus.DELETING:  # by an earlier start of this run that has just ended
        time.sleep(1.0)
        status = _status(name)
    if status in _ALIVE:
        log.info("engine pool %s is already running (%s)", name, status)
        return ServePool(serve.get_app_handle(name), name, run, engine)
    home = ReplicaHome(run, name, store)
    application = _deployment(engine).bind(model, engine.model_dump(mode="json"), teacher.revision, home)
    target = serve.RunTarget(target=application, name=name, route_prefix=None, logging_config=_quiet())
    (handle,) = serve.run_many([target], wait_for_applications_running=False)
    return ServePool(handle, name, run, engine)


def shutdown(run: str, keep: Iterable[ServePool] = ()) -> None:
    """End the pools of a run, except those to keep; with `keep` it retires what an earlier recipe left behind.

    Returns at once: Serve drains the replicas in the background.
    """
    if not ray.is_initialized():
        return
    kept = {pool.name for pool in keep}
    for name in serve.status().applications:
        if name.endswith(_suffix(run)) and name not in kept:
            serve.delete(name, _blocking=False)


def pool_name(run: str, teacher: recipe.Teacher) -> str:
    """The Serve application of a pool: readable, and equal exactly for equal runs, models and engine settings."""
    digest = hashlib.sha256(teacher.served.encode()).hexdigest()[:8]
    return f"{_slug(Path(teacher.model).name)}-{digest}{_suffix(run)}"


def _deployment(engine: recipe.VllmSettings) -> Any:
    """The Serve deployment of a pool.

    It aims at half-full replicas: a pool that programs keep full then doubles at each step until its upper bound, and
    reaches 64 replicas after six starts of an engine (minutes each) rather than after twenty.
    """
    least, most = engine.replicas
    return serve.deployment(
        Replica,
        name="replica",
        max_ongoing_requests=math.ceil(1.5 * engine.max_num_seqs),
        autoscaling_config=AutoscalingConfig(
            min_replicas=least,
            max_replicas=max(most, 1),
            target_ongoing_requests=max(1.0, engine.max_num_seqs / 2),
            upscale_delay_s=engine.upscale_delay_s,
            downscale_delay_s=engine.downscale_delay_s,
            look_back_period_s=max(15.0, min(30.0, engine.upscale_delay_s)),
        ),
        ray_actor_options={"num_cpus": engine.reserved_cpus, "num_gpus": engine.reserved_gpus},
        request_router_config=RequestRouterConfig(request_router_class=_ROUTER),
        health_check_period_s=2.0,
        health_check_timeout_s=60.0,
        graceful_shutdown_timeout_s=engine.drain_s,
        graceful_shutdown_wait_loop_s=1.0,
        max_constructor_retry_count=START_TRIES,
    )


def _locate(model: str, revision: str | None) -> str:
    """The model as replicas should look for it.

    A directory that is here is checked here, which costs a second instead of a replica's start. Its path becomes
    absolute, except where the job ships its working directory and replicas run in a copy of it.
    """
    if not Path(model).expanduser().is_dir():
        return model
    files = model_files.resolve(model, revision)
    shipped = (ray.get_runtime_context().runtime_env or {}).get("working_dir")
    return model if shipped and not Path(model).is_absolute() else str(files.directory)


def _status(name: str) -> ApplicationStatus | None:
    overview = serve.status().applications.get(name)
    return overview.status if overview is not None else None


def _quiet() -> LoggingConfig:
    return LoggingConfig(enable_access_log=False, log_level="WARNING")


def _suffix(run: str) -> str:
    return f"@{_slug(run)}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
