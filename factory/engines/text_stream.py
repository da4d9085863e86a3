"""Token ids for servers that send only text: collected to its end, then encoded with the model's tokenizer."""

from __future__ import annotations

from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import encode_markup
from factory.engines.protocol import EngineError, FinishReason


class TextStream:
    """The text of one request. It is encoded once, at the end, for a word split over two messages is one token.

    The spelling of a control token counts as the token: nothing else can be made of the text of a model's output.
    """

    def __init__(self, tokenizer: Tokenizer | None, stop_token_ids: list[int]) -> None:
        self._tokenizer, self._stop = tokenizer, stop_token_ids
        self._parts: list[str] = []

    def feed(self, text: str) -> None:
        if text and self._tokenizer is None:
            raise EngineError(
                "the server sends text without token ids; give the model's tokenizer, or use a server that offers "
                "`return_token_ids` (vLLM)"
            )
        self._parts.append(text)

    def so_far(self) -> list[int]:
        """Token ids of what has come, for a stream that broke."""
        text = "".join(self._parts)
        return encode_markup(self._tokenizer, text) if text and self._tokenizer is not None else []

    def end(self, reason: FinishReason, stop_reason: int | str | None) -> list[int]:
        """Token ids of the whole text; the stop token is added where the server cut it off."""
        token_ids = self.so_far()
        if not token_ids or reason != "stop" or token_ids[-1] in self._stop:
            return token_ids
        return token_ids + self._stop_token(stop_reason)

    def _stop_token(self, stop_reason: int | str | None) -> list[int]:
        assert self._tokenizer is not None
        if isinstance(stop_reason, str):
            stop_reason = self._tokenizer.control.get(stop_reason)
        if stop_reason in self._stop:
            return [stop_reason]
        if stop_reason is None and len(self._stop) > 1:
            raise EngineError(
                "the server cuts off the stop token and does not say which of "
                f"{len(self._stop)} it was; use a server that offers `return_token_ids` (vLLM)"
            )
        return list(self._stop) if stop_reason is None else []
