"""`factory push-to-hub`: the newest published version in a dataset repository on the Hugging Face Hub.

The Hub times out on large commits, so files go up in commits of at most a hundred, the manifest last, and old files
leave with it: whoever reads the manifest sees a whole version, old or new. Killed and run again, it sends only what the
Hub does not hold yet: files that are in the repository are not even read, and for those that were uploaded without a
commit the Hub says so by their checksum. After a commit that was not answered it looks whether it took place.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
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
COMMIT_FILES = 100
"""Files of one commit: the Hub's own advice is 50 to 100, and a commit has to be done in a minute."""
TRIES, PAUSE_S = 5, 10.0
"""How often a commit is tried that the Hub did not answer, and the pause before the next try."""

Operation = CommitOperationAdd | CommitOperationDelete


def push(uri: str, repo: str, *, private: bool, emit: Callable[[str], None], endpoint: str | None = None) -> str:
    """Make the repository `repo` ("owner/name") hold exactly the newest version; returns the commit's address.

    Raises `FactoryError` if nothing is published or the Hub refuses.
    """
    run = Run.attach(uri)
    manifest = latest(run.store)
    if manifest is None:
        raise FactoryError(f"nothing is published at {uri}", remedy="run the job to its end first")
    disable_progress_bars()
    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        operations = _operations(run.store, manifest, api, repo, emit)
        message = f"Version {manifest.version}: {manifest.report.published} traces, recipe {manifest.fingerprint}"
        address = ""
        for number, some in enumerate(_batches(operations), 1):
            address = _commit(api, repo, some, f"{message} (part {number})", emit)
        return address or f"{repo} holds version {manifest.version} already"
    except (HfHubHTTPError, HFValidationError, HTTPError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise FactoryError(
            f"the Hub did not take {repo}",
            why=" ".join(str(cause).split()),
            remedy="log in with `hf auth login` or HF_TOKEN as someone who may write there, and start again",
        ) from error


def _batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    remaining = iter(operations)
    while some := list(islice(remaining, COMMIT_FILES)):
        yield some


def _commit(api: HfApi, repo: str, operations: list[Operation], message: str, emit: Callable[[str], None]) -> str:
    """Make one commit, once; its address. A Hub that fails or does not answer may have made it all the same."""
    for left in reversed(range(TRIES)):
        try:
            return str(api.create_commit(repo, operations, repo_type="dataset", commit_message=message).commit_url)
        except (HfHubHTTPError, HTTPError) as error:
            if not left or not _passing(error):
                raise
            emit(
                f"the Hub did not answer to a commit of {len(operations)} files ({error}); checking whether it arrived"
            )
            time.sleep(PAUSE_S)
            if _took_place(operations, _files(api, repo)):
                return f"{api.endpoint}/datasets/{repo}"
    raise AssertionError("the last try returns or raises")


def _passing(error: Exception) -> bool:
    """Whether another try may help: no answer at all, too many requests, or a failure on the Hub's side."""
    answer = getattr(error, "response", None)
    return answer is None or answer.status_code == 429 or answer.status_code >= 500


def _took_place(operations: list[Operation], there: dict[str, RepoFile]) -> bool:
    for operation in operations:
        known = there.get(operation.path_in_repo)
        if isinstance(operation, CommitOperationDelete):
            if known is not None:
                return False
        elif known is None or not _holds(known, operation):
            return False
    return True


def _holds(known: RepoFile, addition: CommitOperationAdd) -> bool:
    if known.lfs is not None:
        return bool(known.lfs.sha256 == addition.upload_info.sha256.hex())
    with addition.as_file() as file:
        return not _differs(known, file.read())


def _files(api: HfApi, repo: str) -> dict[str, RepoFile]:
    tree = api.list_repo_tree(repo, repo_type="dataset", recursive=True)
    return {item.path: item for item in tree if isinstance(item, RepoFile)}


def _operations(
    store: Store, manifest: Manifest, api: HfApi, repo: str, emit: Callable[[str], None]
) -> Iterator[Operation]:
    """What has to change, the manifest behind everything that it names; big files are uploaded on the way."""
    there = _files(api, repo)
    kept = set[str]()
    for number, shard in enumerate(manifest.shards, 1):
        path = shard.key.removeprefix(_ROOT)
        kept.add(path)
        known = there.get(path)
        if known is not None and known.lfs is not None and known.lfs.sha256 == shard.sha256:
            continue
        emit(f"{number} of {len(manifest.shards)}: {path} ({shard.bytes / 1e6:,.1f} MB)")
        yield _upload(store, shard, path, api, repo)
    small = [e.key for e in store.list(_ROOT) if not e.key.removeprefix(_ROOT).startswith(("mode=", "_manifest/"))]
    for key in [*small, manifest.key]:
        path = key.removeprefix(_ROOT)
        kept.add(path)
        data = store.read(key)
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
