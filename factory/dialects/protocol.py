"""What a chat format must offer: prompts as token ids, and a way to read what the model wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from factory.records import Message, Mode, ToolCall


class Tokenizer(Protocol):
    """The little that a dialect needs of a model's tokenizer.

    `encode` never yields a control token, whatever the text spells; `control` maps the spelling of each control token
    to its id; `decode` writes control tokens as their spelling.
    """

    control: dict[str, int]

    def encode(self, text: str) -> list[int]: ...

    def decode(self, token_ids: list[int]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one stretch of generated tokens came to.

    `code` is the Python of a well-formed call that ended the turn; `malformed` says why a call could not be read;
    with neither, the trace has ended.
    """

    code: str | None = None
    malformed: str | None = None
    more: tuple[Turn, ...] = ()
    """Further calls of the same turn, in formats that let a model make several at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTrace:
    """A whole trace read back: messages in OpenAI form, and what was counted on the way."""

    messages: list[Message]
    n_python_calls: int
    n_tool_outputs: int
    truncated: bool
    problems: list[str] = field(default_factory=list)
    final: str | None = None
    """What the model said last to whom it answers; None if it did not get so far."""

    @property
    def final_text(self) -> str:
        """Where to look for the final answer: the final message, else the last that the assistant said or thought."""
        if self.final is not None:
            return self.final
        for message in reversed(self.messages):
            if message.role == "assistant":
                return message.content or message.reasoning_content or ""
        return ""


class TurnEnd(Protocol):
    """Watches the tokens of one turn as they arrive, for an end that no stop token marks."""

    def feed(self, token_ids: list[int]) -> int | None:
        """How many of the new tokens belong to the turn if it ends among them, else None."""
        ...


class Dialect(Protocol):
    """A token-level chat format."""

    name: str
    stop_token_ids: list[int]

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        """Token ids of the conversation up to where the model begins to write."""
        ...

    def turn(self, generated: list[int], *, opening: list[int] | None = None, mode: Mode | None = None) -> Turn:
        """Read the tokens generated since the prompt or the last tool output, which are the `opening` of the turn."""
        ...

    def turn_end(self) -> TurnEnd | None:
        """Something that watches one turn for its end; None if a stop token ends every turn."""
        ...

    def tool_output(self, *calls: ToolCall, turn: Turn | None = None, calls_left: int | None = None) -> list[int]:
        """Tokens that show the results of a turn's calls and open the next turn; says so when no call is left."""
        ...

    def parse(self, token_ids: list[int], mask: list[int] | None = None) -> ParsedTrace:
        """Messages of a whole trace, prompt included; never raises on what a model may write.

        `mask` tells who wrote each token (`Origin`). Without it, what looks like the output of a tool is one.
        """
        ...


class DialectClass(Protocol):
    """The class of a dialect, as it is registered: what can be asked of it before there is a tokenizer."""

    def __call__(self, tokenizer: Tokenizer, *, python_description: str = ...) -> Dialect:
        """The dialect over one tokenizer. Raises `FactoryError` if it lacks control tokens of the dialect."""
        ...

    def describe(self, python: str) -> str:
        """How Python is called, then what `python` says of it: a `python_description`."""
        ...

    def read_text(self, text: str) -> tuple[ParsedTrace, bool]:
        """A stored transcript that spells its control tokens, read without a model's tokenizer.

        The second value says whether its parts joined again are the same text.
        """
        ...
