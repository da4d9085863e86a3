"""Ingest: what the sources contain becomes the run's inputs, once, with ids that are unique and counts that add up.

Each source split is read where it is stored and written under `inputs/` as parts of one row kind; the driver gets only
ids and counts. Every restart reads the parts, so a run does not change when its source files do.

    inputs/Problem/00000-0000.parquet   inputs/Thread/...   inputs/Reject/...   inputs/manifest.json
"""

from __future__ import annotations

from factory.ingest.finish import finish
from factory.ingest.inputs import DUPLICATES, Inputs, load, publish_rejects, read_part, save
from factory.ingest.parts import ROWS_PER_PART, SAMPLES_PER_PART, Part, write_part
from factory.ingest.read import group_splits, read_group

__all__ = [
    "DUPLICATES",
    "ROWS_PER_PART",
    "SAMPLES_PER_PART",
    "Inputs",
    "Part",
    "finish",
    "group_splits",
    "load",
    "publish_rejects",
    "read_group",
    "read_part",
    "save",
    "write_part",
]
