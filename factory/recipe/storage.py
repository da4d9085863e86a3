"""How journal and dataset are written."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from factory.recipe.fields import Positive
from factory.settings import Strict, operational


class JournalSettings(Strict):
    """When a part of the journal is written: at a size or at an age, whichever comes first."""

    part_mb: Annotated[float, Field(gt=0)] = operational(32.0)
    part_age_s: Annotated[float, Field(gt=0)] = operational(30.0)
    turn_tokens: Positive = operational(4096)
    """Finished turns of a sample under way are journaled once they add up to this many tokens."""


class Publish(Strict):
    """The shape of the published files. The same journal may be published again in another shape."""

    shard_mb: Positive = operational(256)
    """Most megabytes of one file."""
    buckets: tuple[Positive, ...] = operational((16_384, 32_768, 65_536, 131_072))
    """Upper edges of the token-length buckets, in tokens of the whole trace."""
