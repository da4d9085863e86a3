"""`factory push-to-hub`: a dataset's newest version, or an exported view, in a repository of the Hugging Face Hub.

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
from factory.store.hub_content import HubContent, HubFile, content_of

_BLOCK = 16 << 20
COMMIT_FILES = 100
"""Files of one commit: the Hub's own advice is 50 to 100, and a commit has to be done in a minute."""
TRIES, PAUSE_S = 5, 10.0
"""How often a commit is tried that the Hub did not answer, and the pause before the next try."""

Operation = CommitOperationAdd | CommitOperationDelete


def push(uri: str, repo: str, *, private: bool, emit: Callable[[str], None], endpoint: str | None = None) -> str:
    """Make the repository `repo` ("owner/name") hold exactly what is at `uri`; returns the commit's address.

    Raises `FactoryError` if nothing finished is there or the Hub refuses.
    """
    store = Store.open(uri)
    content = content_of(store)
    disable_progress_bars()
    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        operations = _operations(store, content, api, repo, emit)
        address = ""
        for number, some in enumerate(_batches(operations), 1):
            address = _commit(api, repo, some, f"{content.title} (part {number})", emit)
        return address or f"{repo} holds this already: {content.title}"
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
    store: Store, content: HubContent, api: HfApi, repo: str, emit: Callable[[str], None]
) -> Iterator[Operation]:
    """What has to change, the manifest behind everything that it names; big files are uploaded on the way."""
    there = _files(api, repo)
    kept = set[str]()
    for number, file in enumerate(content.files, 1):
        path = file.key.removeprefix(content.root)
        kept.add(path)
        if _is_there(there.get(path), store, file):
            continue
        emit(f"{number} of {len(content.files)}: {path} ({file.bytes / 1e6:,.1f} MB)")
        yield _upload(store, file, path, api, repo)
    for key in content.small:
        path = key.removeprefix(content.root)
        kept.add(path)
        data = store.read(key)
        if _differs(there.get(path), data):
            yield CommitOperationAdd(path, data)
    for path in sorted(there.keys() - kept):
        if path.startswith(content.owned):
            yield CommitOperationDelete(path)


def _is_there(known: RepoFile | None, store: Store, file: HubFile) -> bool:
    """Whether the repository has a file's content. Of what it stores as text (small JSON lines) it knows no SHA-256."""
    if known is None:
        return False
    if known.lfs is not None:
        return bool(known.lfs.sha256 == file.sha256)
    return bool(known.size == file.bytes) and not _differs(known, store.read(file.key))


def _upload(store: Store, file: HubFile, path: str, api: HfApi, repo: str) -> CommitOperationAdd:
    """Upload one file, not yet visible, and drop its content, unless the Hub takes it as text: that is committed."""
    with tempfile.TemporaryDirectory() as place:
        local = Path(place) / "file"
        with local.open("wb") as copy:
            for start in range(0, file.bytes, _BLOCK):
                copy.write(store.read(file.key, start, min(_BLOCK, file.bytes - start)))
        addition = CommitOperationAdd(path, local)
        api.preupload_lfs_files(repo, [addition], repo_type="dataset")
        as_text = addition._upload_mode == "regular"  # no public name tells it
        return CommitOperationAdd(path, local.read_bytes()) if as_text else addition


def _differs(known: RepoFile | None, data: bytes) -> bool:
    """Whether a small file has to be committed. The Hub names small files by their git blob hash."""
    return known is None or bool(known.blob_id != hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
