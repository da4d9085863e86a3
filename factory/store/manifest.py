"""The manifest: which files are the published dataset, with their checksums. What it does not name is not published."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.report import PublishReport

DIRECTORY = "dataset/_manifest/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One published file: its key below the run's URI, its cell, and what it must contain."""

    key: str
    mode: str
    tool: str
    bucket: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectFile:
    """A file of rejected rows: problems and threads with their stage and reason, traces with theirs."""

    key: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One published version."""

    version: int
    plan: str
    fingerprint: str
    schema_version: int
    settings: dict[str, Any]
    shards: list[Shard]
    rejects: list[RejectFile] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    """Names of annotations that its rows have a column of."""
    keyed: bool = False
    """Whether its rows name the task and the teacher of their sample."""
    row_version: int = 1
    """Which columns its rows have: `store.run.ROW_VERSION` tells the versions."""
    report: PublishReport = field(default_factory=PublishReport)

    @property
    def files(self) -> list[Shard | RejectFile]:
        """Every file that this version consists of."""
        return [*self.shards, *self.rejects]

    @property
    def key(self) -> str:
        return f"{DIRECTORY}v{self.version}.json"

    def to_bytes(self) -> bytes:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["shards"] = [asdict(shard) for shard in self.shards]
        values["rejects"] = [asdict(file) for file in self.rejects]
        values["report"] = self.report.to_json()
        for younger, before in (("annotations", []), ("keyed", False), ("row_version", 1)):
            if values[younger] == before:  # a version without them has the bytes that it has always had
                del values[younger]
        return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_bytes(data: bytes) -> Manifest:
        values = json.loads(data)
        values["shards"] = [Shard(**shard) for shard in values["shards"]]
        values["rejects"] = [RejectFile(**file) for file in values["rejects"]]
        values["report"] = PublishReport.from_json(values["report"])
        return Manifest(**values)


def latest(store: Store) -> Manifest | None:
    """The newest published version, or None."""
    versions = [int(name) for entry in store.list(DIRECTORY + "v") if (name := _version(entry.key)).isdigit()]
    if not versions:
        return None
    return Manifest.from_bytes(store.read(f"{DIRECTORY}v{max(versions)}.json"))


def load(uri: str, *, mode: str | None = None, tool: str | None = None, bucket: str | None = None) -> list[str]:
    """The published files below a run's URI, as paths or URIs that pyarrow, DuckDB, Polars, Ray Data and datasets open.

    `tool` is "python" or "none", `bucket` a name such as "16k". Raises `FactoryError` if nothing is published.
    """
    store = Store.open(uri)
    manifest = latest(store)
    if manifest is None:
        raise FactoryError(f"nothing is published at {uri}", remedy="let its job finish: it publishes at its end")
    wanted = {"mode": mode, "tool": tool, "bucket": bucket}
    return [
        store.url(shard.key)
        for shard in manifest.shards
        if all(value is None or getattr(shard, name) == value for name, value in wanted.items())
    ]


def _version(key: str) -> str:
    return key.removeprefix(DIRECTORY + "v").removesuffix(".json")
