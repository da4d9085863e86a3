"""What a failure of an S3 call means: try again, a lost race, a missing key, or something that its reader can mend."""

from __future__ import annotations

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from factory.errors import FactoryError

_TRANSIENT_CODES = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "RequestTimeout",
    "RequestLimitExceeded",
    "TooManyRequests",
    "IncompleteBody",
    "BadDigest",  # the body was damaged on its way
    "XAmzContentSHA256Mismatch",
    "OperationAborted",  # 409: another operation on the bucket is under way
}
_CREDENTIAL_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",  # a clock that NTP is about to set
    "InvalidAccessKeyId",  # a role's fresh keys, not visible everywhere yet
    "AuthFailure",
}
_LOGIN_ERRORS = (
    aws.SSOError,
    aws.TokenRetrievalError,
    aws.NoAuthTokenError,
    aws.LoginError,
    aws.RefreshWithMFAUnsupportedError,
)
_CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,  # also: the metadata service was slow once
    aws.CredentialRetrievalError,
    aws.MetadataRetrievalError,
)
_TRANSIENT_ERRORS = (
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
    ResponseParserError,
    HTTPError,
    ConnectionError,
    TimeoutError,
)
_FOR_GOOD = (aws.SSLError, aws.ProxyConnectionError)


class OutcomeUnknown(Exception):
    """A conditional write met a conflict, and then nothing was there: neither won nor lost yet."""


def is_transient(error: Exception) -> bool:
    """Whether the same call may work a little later."""
    if isinstance(error, aws.ClientError):
        return _code(error) in _TRANSIENT_CODES or _status(error) >= 500 or _status(error) == 429
    return isinstance(error, OutcomeUnknown) or (
        isinstance(error, _TRANSIENT_ERRORS) and not isinstance(error, _FOR_GOOD)
    )


def is_credentials(error: Exception) -> bool:
    """Whether it was the credentials' doing: keys fetched again may work, or the same ones a little later."""
    if isinstance(error, aws.ClientError):
        return _code(error) in _CREDENTIAL_CODES
    return isinstance(error, (*_CREDENTIAL_ERRORS, *_LOGIN_ERRORS))


def is_conflict(error: aws.ClientError) -> bool:
    """Whether a conditional write found something there: 412, or 409 from a store that saw two writers at once."""
    return _status(error) == 412 or _code(error) in ("PreconditionFailed", "ConditionalRequestConflict")


def is_missing_key(error: Exception) -> bool:
    """Whether the key is not there. HEAD has no body, so a missing bucket looks the same there."""
    return isinstance(error, aws.ClientError) and (_code(error) in ("NoSuchKey", "404", "NotFound"))


def explain(error: Exception, uri: str, endpoint: str | None) -> FactoryError | None:
    """The error for a user to read, or None if only a traceback would help."""
    what, where = f"cannot use {uri}", endpoint or "AWS"
    if isinstance(error, aws.ClientError):
        message = error.response.get("Error", {}).get("Message") or "no further words"
        why = f"{where} answered {_status(error)} {_code(error)} ({message})"
        remedy = _REMEDIES.get(_code(error)) or _REMEDIES.get(str(_status(error)))
        return FactoryError(what, why=why, remedy=remedy or "see the storage's documentation of this answer")
    if isinstance(error, _LOGIN_ERRORS):
        return FactoryError(what, why=str(error), remedy=_LOGIN)
    if isinstance(error, (*_CREDENTIAL_ERRORS, aws.PartialCredentialsError)):
        return FactoryError(what, why=str(error), remedy=_NO_CREDENTIALS)
    if isinstance(error, aws.NoRegionError | aws.ProfileNotFound):
        return FactoryError(what, why=str(error), remedy="set AWS_REGION and AWS_PROFILE, or mend ~/.aws/config")
    if isinstance(error, ValueError | aws.ParamValidationError):
        why = str(error).split("\n")[-1].partition(": Bucket name must match")[0]
        return FactoryError(what, why=why, remedy="check the bucket's name and AWS_ENDPOINT_URL")
    if isinstance(error, _TRANSIENT_ERRORS):
        remedy = (
            "check AWS_ENDPOINT_URL, the network and the server; what is finished is kept, the same command goes on"
        )
        return FactoryError(what, why=f"{where} cannot be reached: {error}", remedy=remedy)
    return None


_NO_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role"
_LOGIN = (
    "log in again (aws sso login, aws login) on every machine that writes; a run that outlives a login needs the role "
    "of the machine or pod"
)
_EXPIRED = (
    "renew the session's keys and start the same command again; a run that outlives them needs a profile or a role, "
    "which renew themselves"
)
_WRONG_KEY = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile or role in use)"
_REMEDIES = {
    "NoSuchBucket": "make the bucket first, or correct its name in the URI",
    "InvalidAccessKeyId": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "InvalidToken": _WRONG_KEY,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "AccessDenied": "these credentials may not do this here: allow them to get, put, list and delete below the URI",
    "MethodNotAllowed": "the place is read-only; choose one that can be written",
    "RequestTimeTooSkewed": "set this machine's clock (NTP): it differs from the server's by more than 15 minutes",
    "QuotaExceeded": "raise the quota or make room; the same command goes on",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "InvalidBucketName": "correct the bucket's name in the URI",
    "507": "the server's disk is full; make room, and the same command goes on",
    "403": _WRONG_KEY,
}


def _code(error: aws.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: aws.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
