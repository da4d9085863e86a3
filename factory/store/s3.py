"""Storage in a bucket of S3 or of anything that speaks it (Ceph, MinIO, R2, GCS through its XML API).

One boto3 client does everything, so there is one chain of credentials (environment, ~/.aws, SSO, instance or pod
role), one endpoint (`AWS_ENDPOINT_URL`) and one rule for retries. botocore's own three tries absorb blips; the outer
loop outlasts an outage of the server, or of what gives the credentials.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from factory.errors import FactoryError
from factory.store import s3_credentials, s3_errors
from factory.store.fs import Entry, Store, checked
from factory.store.retry import persist

Result = TypeVar("Result")

PATIENCE_S = 180.0
PROBE_PATIENCE_S = 20.0
SINGLE_PUT_BYTES = 64 << 20  # above this, an upload in parts
_GOOGLE = "https://storage.googleapis.com"


class S3Store(Store):
    """Keys below one prefix of one bucket."""

    def __init__(self, uri: str, patience_s: float | None = None) -> None:
        self.uri = uri.rstrip("/")
        scheme, _, rest = self.uri.partition("://")
        self.bucket, _, prefix = rest.partition("/")
        if not self.bucket:
            raise FactoryError(f"{uri} names no bucket", remedy=f"write {scheme}://bucket/prefix")
        self._prefix = f"{prefix}/" if prefix else ""
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        configured = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._endpoint = configured or (_GOOGLE if scheme == "gs" else None)
        self._google = (urlsplit(self._endpoint or "").hostname or "").endswith("googleapis.com")
        self._made: Any = None
        self._making = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return S3Store, (self.uri, self._patience_s)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        ranged: dict[str, str] = {}
        if start or length is not None:
            ranged = {"Range": f"bytes={start}-" + ("" if length is None else str(start + length - 1))}

        def get() -> bytes:
            answer = self._client.get_object(Bucket=self.bucket, Key=self._full(key), **ranged)
            return bytes(answer["Body"].read())  # raises where the body is shorter than its header said

        return self._call(key, get)

    def write(self, key: str, data: bytes) -> None:
        if len(data) > SINGLE_PUT_BYTES:
            self._call(key, lambda: self._transfer(io.BytesIO(data), key))
        else:
            self._call(key, lambda: self._client.put_object(Bucket=self.bucket, Key=self._full(key), Body=data))

    def create(self, key: str, data: bytes) -> bool:
        # always one PutObject: several servers ignore the condition on the completion of a multipart upload
        def put() -> bool:
            try:
                self._client.put_object(Bucket=self.bucket, Key=self._full(key), Body=data, IfNoneMatch="*")
                return True
            except ClientError as error:
                if not s3_errors.is_conflict(error):
                    raise
            # 412 and 409 say only that something is there: perhaps our own first try, whose answer was lost
            try:
                return self.read(key) == data
            except FileNotFoundError:
                raise s3_errors.OutcomeUnknown(key) from None  # the other writer has failed: try again

        return self._call(key, put)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        query: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self._prefix + prefix}
        if after:
            query["StartAfter"] = self._prefix + after
        while True:
            answer = self._call(prefix, lambda q=dict(query): self._client.list_objects_v2(**q))  # type: ignore[misc]
            for item in answer.get("Contents", ()):
                key = item["Key"][len(self._prefix) :]
                if key and not key.endswith("/"):  # some clients leave empty "directories"
                    yield Entry(key, item["Size"], item["LastModified"])
            if not answer.get("IsTruncated"):
                return
            query["ContinuationToken"] = answer["NextContinuationToken"]

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._client.delete_object(Bucket=self.bucket, Key=self._full(key)))

    def size(self, key: str) -> int:
        answer = self._call(key, lambda: self._client.head_object(Bucket=self.bucket, Key=self._full(key)))
        return int(answer["ContentLength"])

    def url(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def caveat(self) -> str | None:
        return s3_credentials.caveat(datetime.now(UTC))

    def probe(self) -> None:
        # someone waits at the terminal for this one: a wrong endpoint should not take minutes to be called wrong
        if self._patience_s > PROBE_PATIENCE_S:
            S3Store(self.uri, PROBE_PATIENCE_S).probe()
        else:
            super().probe()

    def _upload(self, path: Path, key: str) -> None:
        def put() -> None:
            with path.open("rb") as file:  # the transfer closes it
                self._transfer(file, key)

        self._call(key, put)

    def _transfer(self, file: Any, key: str) -> None:
        parts = TransferConfig(multipart_threshold=SINGLE_PUT_BYTES, multipart_chunksize=16 << 20, max_concurrency=4)
        self._client.upload_fileobj(file, self.bucket, self._full(key), Config=parts)

    def _full(self, key: str) -> str:
        return self._prefix + checked(key)

    def _call(self, key: str, action: Callable[[], Result]) -> Result:
        """`action` with retries; what remains is a missing key or an error that says what to do."""

        def transient(error: Exception) -> bool:
            if s3_errors.is_credentials(error) and self._patience_s > PROBE_PATIENCE_S:
                self._forget_client()  # the next try asks the chain of credentials again
                return True
            return s3_errors.is_transient(error)

        try:
            return persist(action, transient=transient, patience_s=self._patience_s)
        except ValueError:
            raise  # a wrong key: the caller's mistake
        except Exception as error:
            if s3_errors.is_missing_key(error):
                raise FileNotFoundError(f"{self.uri}/{key}") from None
            explained = s3_errors.explain(error, self.uri, self._endpoint)
            if explained is None:
                raise
            raise explained from error

    @property
    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    def _forget_client(self) -> None:
        with self._making:
            self._made = None

    def _make_client(self) -> Any:
        options: dict[str, Any] = {}
        if self._endpoint:
            # servers other than AWS take the bucket in the path, and the older ones refuse trailing checksums
            options["s3"] = {"addressing_style": "path"}
            if "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
                options["request_checksum_calculation"] = "when_required"
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
            **options,
        )
        client = s3_credentials.session().client("s3", endpoint_url=self._endpoint, config=config)
        if self._google:
            client.meta.events.register("before-call.s3.PutObject", _as_google_condition)
        return client


def _as_google_condition(params: dict[str, Any], **_: Any) -> None:
    """GCS reads If-None-Match on reads only; its condition for writes is a generation of zero ("no such object").

    Source: Google Cloud Storage, XML API, request headers. A server that does not take the header together with AWS
    signatures is found out by `probe`.
    """
    if params["headers"].pop("If-None-Match", None):
        params["headers"]["x-goog-if-generation-match"] = "0"
