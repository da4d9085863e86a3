"""A word on a bucket in another region than the machine: every part read and written then crosses, and is billed."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import InstanceMetadataRegionFetcher

PATIENCE_S = 1.0
"""Of the metadata service, which answers in milliseconds on a machine of AWS, and on no other at all."""


def warning(uri: str) -> str | None:
    """What to say of a run's bucket, None if it is near or nothing is known. Asks, never fails, and waits seconds.

    Only AWS is asked, and only for a bucket of its own: another server (`AWS_ENDPOINT_URL`) has no region to compare.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        return None
    here = machine_region()
    there = bucket_region(parts.netloc) if here else None
    if not here or not there or here == there:
        return None
    return (
        f"WARNING: the bucket of {uri} is in {there}, this machine in {here}: all that the run reads and writes "
        f"crosses between regions, slowly and for money. Use a bucket in {here}, or machines in {there}"
    )


def machine_region() -> str | None:
    """The region of this machine of AWS, by its metadata service; None elsewhere."""
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
    config = {"ec2_metadata_service_endpoint": endpoint} if endpoint else None
    fetcher = InstanceMetadataRegionFetcher(timeout=PATIENCE_S, num_attempts=1, config=config)
    try:
        region = fetcher.retrieve_region()
    except Exception:  # botocore's own errors, and whatever another network's gateway answers
        return None
    return str(region) if region else None


def bucket_region(bucket: str) -> str | None:
    """The region of a bucket; None if it cannot be asked."""
    config = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
    try:
        answer = boto3.session.Session().client("s3", config=config).head_bucket(Bucket=bucket)
    except ClientError as error:  # also of a bucket that may not be read S3 says where it is
        answer = error.response
    except (BotoCoreError, ValueError):
        return None
    headers: dict[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region")
