"""Value types that several sections share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Positive = Annotated[int, Field(gt=0)]

Fraction = Annotated[float, Field(ge=0, le=1)]
