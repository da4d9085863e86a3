"""What one sample may still spend: tokens, context window, Python calls, time."""

from __future__ import annotations

from dataclasses import dataclass

_CLOSING_TOKENS = 1024
_CLOSING_SHARE = 1 / 16


@dataclass(frozen=True, slots=True)
class Allowance:
    """Tokens that may still be added, and the finish reason of a sample that needs more than that."""

    tokens: int
    reason: str


class Budget:
    """The limits of one sample. Tokens of tool output count like tokens of the model.

    `seconds` is the time in which it was served or its Python ran, earlier attempts included; `spend` adds to it.
    Waiting for an engine, a sandbox or a core does not count. Near the end of the tokens or of the time no calls are
    left, so that the model hears of it while it can still conclude.
    """

    def __init__(
        self,
        *,
        n_prompt: int,
        max_tokens: int,
        context: int,
        max_calls: int,
        wall_time_s: float,
        seconds_spent: float = 0.0,
    ) -> None:
        self._n_prompt, self._max_tokens, self._context = n_prompt, max_tokens, context
        self.max_calls, self._wall_time_s = max_calls, wall_time_s
        self.seconds = seconds_spent

    def spend(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def seconds_left(self) -> float:
        return max(self._wall_time_s - self.seconds, 0.0)

    def allowance(self, n_tokens: int) -> Allowance:
        """How many tokens may follow the first `n_tokens` of the trace, prompt included."""
        by_budget = self._max_tokens - (n_tokens - self._n_prompt)
        by_context = self._context - n_tokens
        return Allowance(by_budget, "length") if by_budget <= by_context else Allowance(by_context, "context")

    def calls_left(self, n_tokens: int, n_calls: int) -> int:
        """Python calls that may still be made, as the model is to be told."""
        reserve = min(_CLOSING_TOKENS, int(self._max_tokens * _CLOSING_SHARE))
        closing = self.allowance(n_tokens).tokens <= reserve or self.seconds_left <= self._wall_time_s * _CLOSING_SHARE
        return 0 if closing else max(self.max_calls - n_calls, 0)
