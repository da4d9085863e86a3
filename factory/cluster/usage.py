"""What a run holds on its cluster at this moment, for the record of its usage. Knows Ray, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

import ray
from ray import serve
from ray.serve.schema import ReplicaState

from factory.engines.serve_pool import ServePool
from factory.recipe import Role, RunRecipe, VllmSettings
from factory.store.usage import ClusterSnapshot


def cluster_snapshot(recipe: RunRecipe, pools: Mapping[Role, object]) -> ClusterSnapshot:
    """The cluster's machines, and the replicas that are up of this run's pools (by role). Raises what Ray raises."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cluster = {
        "GPU": sum(resources.get("GPU", 0.0) for resources in machines),
        "CPU": sum(resources.get("CPU", 0.0) for resources in machines if not resources.get("GPU")),
        "nodes": float(len(machines)),
    }
    replicas, gpus = dict[str, float](), dict[str, float]()
    applications = serve.status().applications if pools else {}
    counted = set[str]()
    for role, teacher in recipe.roles.items():
        pool, engine = pools.get(role), teacher.engine
        if not isinstance(pool, ServePool) or not isinstance(engine, VllmSettings) or pool.name in counted:
            continue  # two roles that share a pool are counted once
        counted.add(pool.name)
        application = applications.get(pool.name)
        deployments = application.deployments.values() if application else ()
        up = sum(deployment.replica_states.get(ReplicaState.RUNNING, 0) for deployment in deployments)
        replicas[role], gpus[role] = float(up), up * engine.num_gpus * engine.tensor_parallel_size
    return ClusterSnapshot(cluster=cluster, gpus=gpus, replicas=replicas)
