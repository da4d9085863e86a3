"""What a job brings to the workers of its cluster, so that they reach its storage."""

from __future__ import annotations

import json

import pytest

from factory.launch import storage_variables

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in storage_variables():
        monkeypatch.delenv(name)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    return monkeypatch


def test_a_driver_without_keys_brings_none():
    assert storage_variables() == {}


def test_keys_and_endpoint_travel_but_a_machine_s_own_role_does_not(environment):
    for name, value in {**KEYS, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod", "PATH_TO_NOWHERE": "x"}.items():
        environment.setenv(name, value)
    assert storage_variables() == KEYS


@pytest.mark.parametrize("runtime_env", [None, {}, {"working_dir": "gcs://x"}, {"env_vars": {"AWS_ENDPOINT_URL": "u"}}])
def test_what_the_submitted_job_s_environment_gives_is_left_to_it(environment, runtime_env):
    for name, value in KEYS.items():
        environment.setenv(name, value)
    environment.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"runtime_env": runtime_env}))
    given = set((runtime_env or {}).get("env_vars", ()))
    assert set(storage_variables()) == set(KEYS) - given
