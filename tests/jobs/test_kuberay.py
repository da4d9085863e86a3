"""The KubeRay manifest: what the RayJob resource and a pod require, held without a Kubernetes cluster."""

from __future__ import annotations

import shlex
from importlib import metadata
from typing import Any

import pytest
import yaml

from factory import recipe as recipes
from tests.conftest import ROOT

# Names from KubeRay's API reference, ray.io/v1.
JOB = {
    "entrypoint", "runtimeEnvYAML", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished", "rayClusterSpec", "activeDeadlineSeconds", "metadata", "suspend",
}  # fmt: skip
CLUSTER = {
    "rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs", "authOptions",
}  # fmt: skip
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


@pytest.fixture
def manifest() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "jobs" / "kuberay.yaml").read_text())


@pytest.fixture
def cluster(manifest) -> dict[str, Any]:
    return manifest["spec"]["rayClusterSpec"]


def groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_it_is_a_ray_job_with_known_keys_only(manifest, cluster):
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    assert manifest["metadata"]["name"]
    assert set(manifest["spec"]) <= JOB
    assert set(cluster) <= CLUSTER
    assert set(cluster["headGroupSpec"]) <= GROUP - {"groupName", "replicas", "minReplicas", "maxReplicas"}
    for group in cluster["workerGroupSpecs"]:
        assert GROUP - {"replicas"} <= set(group) <= GROUP


def test_the_entrypoint_is_the_job_with_a_recipe_that_loads(manifest):
    words = shlex.split(manifest["spec"]["entrypoint"])
    assert words[0] == "python"
    home = words[1].removesuffix("/jobs/build_dataset.py")
    assert (ROOT / "jobs" / "build_dataset.py").is_file()
    assert home != words[1]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert set(options) == {"--recipe", "--out", "--set"}
    recipes.load(options["--recipe"].replace(home, str(ROOT)), [options["--set"]])
    assert yaml.safe_load(manifest["spec"]["runtimeEnvYAML"])["env_vars"]["PYTHONPATH"] == home


def test_a_dropped_connection_or_a_tidy_operator_ends_nothing(manifest, cluster):
    assert manifest["spec"]["submissionMode"] == "HTTPMode"
    assert cluster["autoscalerOptions"]["version"] == "v2"
    annotations = cluster["headGroupSpec"]["template"]["metadata"]["annotations"]
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert all(group["template"]["spec"]["restartPolicy"] == "Never" for group in groups(cluster))


def test_an_evicted_gpu_pod_has_time_to_drain(cluster):
    engine = recipes.load(ROOT / "jobs" / "recipes" / "nemotron_math.yaml").teacher.engine
    (gpu,) = (g for g in cluster["workerGroupSpecs"] if g["groupName"] == "gpu")
    spec = gpu["template"]["spec"]
    command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    deadline = int(command.split("--deadline-remaining-seconds ")[1].split(";")[0])
    assert engine.drain_s < deadline < spec["terminationGracePeriodSeconds"]


def test_rays_version_is_the_one_that_the_project_pins(cluster):
    pinned = next(r for r in metadata.requires("trace-factory") if r.startswith("ray"))
    assert pinned.endswith(f"=={cluster['rayVersion']}")


def test_containers_say_what_they_need(cluster):
    for group in groups(cluster):
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"]
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"])
        assert resources["requests"] == resources["limits"]  # Ray plans with the limits, Kubernetes with the requests
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())  # the API takes strings only


def test_the_head_runs_nothing_but_the_driver_and_never_on_preemptible_nodes(cluster):
    head, *workers = groups(cluster)
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert "tolerations" not in head["template"]["spec"]
    assert all(worker["template"]["spec"]["tolerations"] for worker in workers)


def test_the_papers_recipe_fits_into_a_pod(cluster):
    engine = recipes.load(ROOT / "jobs" / "recipes" / "nemotron_math.yaml").teacher.engine
    assert isinstance(engine, recipes.VllmSettings)
    most = max(
        container["resources"]["limits"].get("nvidia.com/gpu", 0)
        for group in groups(cluster)
        for container in group["template"]["spec"]["containers"]
    )
    assert engine.reserved_gpus <= most


def test_the_gpu_pod_gives_vllm_shared_memory(cluster):
    (gpu,) = (g for g in cluster["workerGroupSpecs"] if g["groupName"] == "gpu")
    spec = gpu["template"]["spec"]
    mounts = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts["/dev/shm"] in {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}
    (home,) = (e["value"] for e in spec["containers"][0]["env"] if e["name"] == "HF_HOME")
    assert any(home.startswith(path) for path in mounts)  # weights are not written to the pod's small disk
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] > 0


def test_programs_and_sandboxes_stay_off_the_gpu_pods(cluster):
    (gpu,) = (g for g in cluster["workerGroupSpecs"] if g["groupName"] == "gpu")
    assert gpu["rayStartParams"]["num-cpus"] == "0"
