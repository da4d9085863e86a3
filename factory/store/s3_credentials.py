"""Where the keys of a bucket come from, and whether they will outlive a run."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
from botocore.credentials import RefreshableCredentials

from factory.errors import FactoryError

EXPIRATION_VARIABLE = "AWS_CREDENTIAL_EXPIRATION"  # as `aws configure export-credentials --format env` writes it
LEAST = timedelta(minutes=15)
_METADATA = {"metadata_service_timeout": ("AWS_METADATA_SERVICE_TIMEOUT", 5)}
_METADATA |= {"metadata_service_num_attempts": ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", 5)}


def session() -> boto3.session.Session:
    """A session of its own: the default one is shared, remembers keys, and is not safe to make clients from in threads.

    It asks a machine's metadata service five times for five seconds, where botocore would take one slow answer within a
    second for "no credentials".
    """
    core = botocore.session.get_session()
    for name, (variable, value) in _METADATA.items():
        if variable not in os.environ:
            core.set_config_variable(name, value)
    return boto3.session.Session(botocore_session=core)


def caveat(now: datetime) -> str | None:
    """In words, that the keys of this process may end before a long run does; None if they renew themselves.

    Raises `FactoryError` for keys that have ended, or end within a quarter of an hour.
    """
    keys = session().get_credentials()
    if keys is None:
        return None
    if keys.method == "sso":
        return "the bucket's keys come from a login (SSO), which ends after hours: a long run needs a role"
    in_environment = keys.method == "env"
    if isinstance(keys, RefreshableCredentials) and not in_environment:
        return None
    text = os.environ.get(EXPIRATION_VARIABLE, "") if in_environment else ""
    if not text and not keys.token:
        return None
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        return "the bucket's keys are a session's, whose end is not known: a long run needs a profile or a role"
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    left = end - now
    if left < LEAST:
        raise FactoryError(
            f"the bucket's keys end at {end:%Y-%m-%d %H:%M} UTC",
            why=f"that is what {EXPIRATION_VARIABLE} says of the session whose keys are in the environment",
            remedy="renew them, or use a profile or a role, which renew themselves",
        )
    hours = left.total_seconds() / 3600
    return f"the bucket's keys end in {hours:.1f} h: a run that takes longer needs a profile or a role"
