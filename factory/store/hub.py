"""`factory push-to-hub`: the newest published version as one commit of a dataset repository on the Hugging Face Hub.

Files go up one by one and are committed together at the end, so a reader never sees half a version. Killed and run
again, it uploads only what the Hub does not hold yet: files that are in the repository are not even read, and for
those that were uploaded without a commit the Hub says so by their checksum.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from httpx import HTTPError
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import disable_progress_bars

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.manifest import Manifest, Shard, latest
from factory.store.run import Run

_ROOT = "dataset/"
_BLOCK = 16 << 20


def push(uri: str, repo: str, *, private: bool, say: Callable[[str], None], endpoint: str | None = None) -> str:
    """Make the repository `repo` ("owner/name") hold exactly the newest version; returns the commit's address.

    Raises `FactoryError` where nothing is published or the Hub refuses.
    """
    run = Run.attach(uri)
    manifest = latest(run.store)
    if manifest is None:
        raise FactoryError(f"nothing is published at {uri}", remedy="run the job to its end first")
    disable_progress_bars()
    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        operations = list(_operations(run.store, manifest, api, repo, say))
        if not operations:
            return f"{repo} holds version {manifest.version} already"
        message = f"Version {manifest.version}: {manifest.report.published} traces, recipe {manifest.fingerprint}"
        return str(api.create_commit(repo, operations, repo_type="dataset", commit_message=message).commit_url)
    except (HfHubHTTPError, HFValidationError, HTTPError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise FactoryError(
            f"the Hub did not take {repo}",
            why=" ".join(str(cause).split()),
            remedy="log in with `hf auth login` or HF_TOKEN as someone who may write there, and start again",
        ) from error


def _operations(
    store: Store, manifest: Manifest, api: HfApi, repo: str, say: Callable[[str], None]
) -> Iterator[CommitOperationAdd | CommitOperationDelete]:
    """What the commit has to change; big files are uploaded on the way."""
    tree = api.list_repo_tree(repo, repo_type="dataset", recursive=True)
    there = {item.path: item for item in tree if isinstance(item, RepoFile)}
    kept = set[str]()
    for number, shard in enumerate(manifest.shards, 1):
        path = shard.key.removeprefix(_ROOT)
        kept.add(path)
        known = there.get(path)
        if known is not None and known.lfs is not None and known.lfs.sha256 == shard.sha256:
            continue
        say(f"{number} of {len(manifest.shards)}: {path} ({shard.bytes / 1e6:,.1f} MB)")
        yield _upload(store, shard, path, api, repo)
    for entry in store.list(_ROOT):
        path = entry.key.removeprefix(_ROOT)
        if not path.startswith(("mode=", "_manifest/")) or entry.key == manifest.key:
            kept.add(path)
            data = store.read(entry.key)
            if _differs(there.get(path), data):
                yield CommitOperationAdd(path, data)
    for path in sorted(there.keys() - kept):
        if path.startswith("mode="):
            yield CommitOperationDelete(path)


def _upload(store: Store, shard: Shard, path: str, api: HfApi, repo: str) -> CommitOperationAdd:
    """Upload one file, not yet visible; its content is let go of afterwards."""
    with tempfile.TemporaryDirectory() as place:
        local = Path(place) / "shard.parquet"
        with local.open("wb") as file:
            for start in range(0, shard.bytes, _BLOCK):
                file.write(store.read(shard.key, start, min(_BLOCK, shard.bytes - start)))
        addition = CommitOperationAdd(path, local)
        api.preupload_lfs_files(repo, [addition], repo_type="dataset")
        return addition


def _differs(known: RepoFile | None, data: bytes) -> bool:
    """Whether a small file has to be committed. The Hub names small files by their git blob hash."""
    return known is None or bool(known.blob_id != hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
