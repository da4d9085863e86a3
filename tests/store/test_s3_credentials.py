"""Credentials that fail for a while, that end in the middle of a run, and that nobody renews; no server needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore import exceptions as aws

from factory.errors import FactoryError
from factory.store import retry, s3_credentials, s3_errors
from factory.store.s3 import PROBE_PATIENCE_S, S3Store


def refusal(code, status=403):
    return aws.ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


class Client:
    """An S3 client that answers with each of `answers` in turn: an error to raise, or the body of an object."""

    def __init__(self, answers):
        self.answers = answers

    def delete_object(self, **request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer


@pytest.fixture
def store(monkeypatch):
    """A store whose clients are counted; `answers` is what they share."""
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)

    def make(answers, patience_s=60.0):
        made = S3Store("s3://bucket/run", patience_s)
        made.clients = 0

        def client():
            made.clients += 1
            return Client(answers)

        monkeypatch.setattr(made, "_make_client", client)
        return made

    return make


@pytest.mark.parametrize(
    "trouble",
    [
        aws.NoCredentialsError(),
        aws.CredentialRetrievalError(provider="iam-role", error_msg="timed out"),
        aws.MetadataRetrievalError(error_msg="timed out"),
        aws.UnauthorizedSSOTokenError(),
        refusal("ExpiredToken", 400),
        refusal("InvalidAccessKeyId"),
        refusal("RequestTimeTooSkewed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_credentials_that_fail_for_a_while_are_asked_for_anew(store, trouble):
    patient = store([trouble, trouble, None])
    patient.delete("key")
    assert patient.clients == 3, "a client remembers the keys that it was made with"


def test_a_conflict_of_the_bucket_passes_with_the_same_client(store):
    patient = store([refusal("OperationAborted", 409), None])
    patient.delete("key")
    assert patient.clients == 1


def test_whoever_waits_at_the_terminal_hears_it_at_once(store):
    hasty = store([refusal("InvalidAccessKeyId"), None], PROBE_PATIENCE_S)
    with pytest.raises(FactoryError, match="InvalidAccessKeyId"):
        hasty.delete("key")


def test_what_no_new_key_mends_is_not_tried_again(store):
    patient = store([refusal("AccessDenied"), None])
    with pytest.raises(FactoryError, match="AccessDenied"):
        patient.delete("key")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (aws.UnauthorizedSSOTokenError(), "aws sso login"),
        (aws.SSOTokenLoadError(error_msg="no token"), "aws sso login"),
        (aws.TokenRetrievalError(provider="sso", error_msg="Token has expired"), "aws sso login"),
        (aws.LoginRefreshRequired(), "aws login"),
        (refusal("ExpiredToken"), "a profile or a role"),
        (aws.MetadataRetrievalError(error_msg="timed out"), "give the machine a role"),
        (aws.NoCredentialsError(), "AWS_PROFILE"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_credentials_say_what_to_do(error, told):
    assert told in s3_errors.explain(error, "s3://b", None).remedy


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def keys(monkeypatch, tmp_path):
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", s3_credentials.EXPIRATION_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    return monkeypatch


def test_keys_that_last_need_no_word(keys):
    assert s3_credentials.caveat(NOW) is None
    keys.delenv("AWS_ACCESS_KEY_ID")
    assert s3_credentials.caveat(NOW) is None, "without any the first call will say so"


def test_keys_of_a_session_are_warned_of(keys):
    keys.setenv("AWS_SESSION_TOKEN", "t")
    assert "whose end is not known" in s3_credentials.caveat(NOW)
    keys.setenv(s3_credentials.EXPIRATION_VARIABLE, (NOW + timedelta(hours=3)).isoformat())
    assert "end in 3.0 h" in s3_credentials.caveat(NOW)


@pytest.mark.parametrize("minutes", [-60, 0, 10])
def test_keys_that_are_about_to_end_are_refused(keys, minutes):
    keys.setenv("AWS_SESSION_TOKEN", "t")
    keys.setenv(s3_credentials.EXPIRATION_VARIABLE, (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    with pytest.raises(FactoryError, match="the bucket's keys end at") as refused:
        s3_credentials.caveat(NOW)
    assert "a role" in refused.value.remedy


def test_the_metadata_service_gets_more_than_a_second(keys):
    core = s3_credentials.session()._session
    assert core.get_config_variable("metadata_service_timeout") == 5
    keys.setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2")
    assert int(s3_credentials.session()._session.get_config_variable("metadata_service_num_attempts")) == 2
