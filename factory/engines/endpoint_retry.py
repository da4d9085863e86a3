"""What an HTTP refusal means for a request, and how long to wait before another try."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from factory import recipe
from factory.engines.protocol import EngineError, EngineUnavailable
from factory.errors import FactoryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how patiently a request is tried again before anything of it has come."""

    tries: int = 8
    first_pause_s: float = 0.5
    max_pause_s: float = 60.0

    def pause(self, attempt: int, retry_after: str | None = None) -> float:
        """Seconds to wait: what the server asks (RFC 9110, 10.2.3: seconds or a date), else doubling with jitter."""
        asked = _seconds(retry_after)
        if asked is not None:
            return min(asked, 600.0) + random.uniform(0.0, 0.1 * self.first_pause_s)
        longest = min(self.first_pause_s * 2.0**attempt, self.max_pause_s)
        return random.uniform(longest / 2, longest)


def refusal(status: int, text: str, *, url: str, model: str, config: recipe.EndpointSettings) -> Exception:
    """The error that a refused request raises: the user's to fix, this row's end, or worth another try."""
    message = _message(text)
    if status in {401, 403}:
        where = f"the key in {config.api_key_env}" if config.api_key_env else "a request without a key"
        return FactoryError(
            f"the endpoint {url} refuses {where} ({status})",
            why=message,
            remedy="set `api_key_env` to the environment variable that holds a valid key",
        )
    if status == 404:
        return FactoryError(
            f"the endpoint {url} does not know the model {model}, or has no completions API (404)",
            why=message,
            remedy="check `url` and `model` in the recipe",
        )
    if status in {408, 409, 425, 429} or status >= 500:
        return EngineUnavailable(f"{url} answers {status}: {message}")
    return EngineError(f"{url} answers {status}: {message}")


def _message(text: str) -> str:
    """The server's own words, wherever in its JSON they stand."""
    try:
        value = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:500]
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return " ".join(str(message or text).split())[:500]


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
