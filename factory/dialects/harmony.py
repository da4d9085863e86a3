"""Harmony, the chat format of the gpt-oss models, on token ids: prompts, Python calls, tool output, reading back.

Knows records and the tokenizer protocol. The messages themselves are cut and joined in `harmony_message`, the opening
is worded in `harmony_prompt`, headers are read in `harmony_header`, calls and whole traces in `harmony_parse`.
"""

from __future__ import annotations

from factory.dialects.calls import PYTHON
from factory.dialects.harmony_header import ASSISTANT
from factory.dialects.harmony_message import CONTROL_TOKENS, END_OF_TEXT, HarmonyTokens
from factory.dialects.harmony_parse import parse, read_turn
from factory.dialects.harmony_prompt import (
    KNOWLEDGE_CUTOFF,
    PYTHON_CALLS,
    PYTHON_DESCRIPTION,
    SystemContent,
    Tool,
    developer_text,
)
from factory.dialects.protocol import ParsedTrace, Tokenizer, Turn
from factory.dialects.shown import shown_output
from factory.dialects.tokenizer import ByteTokenizer, encode_markup
from factory.records import PYTHON_TOOL, Mode, ToolCall


class Harmony:
    """The harmony dialect over one tokenizer.

    The date is fixed, so that two runs of one recipe see the same prompts. `python_description` is what the system
    message says about the tool; the default is the wording that the models were trained with.
    """

    name = "harmony"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        knowledge_cutoff: str = KNOWLEDGE_CUTOFF,
        current_date: str = "2025-08-05",
        python_description: str = PYTHON_DESCRIPTION,
        tool_name: str = PYTHON_TOOL,
    ) -> None:
        self.tokenizer = tokenizer
        self.tokens = HarmonyTokens(tokenizer)
        self.knowledge_cutoff, self.current_date = knowledge_cutoff, current_date
        self.python_description, self.tool_name = python_description, tool_name
        self.stop_token_ids = [self.tokens.return_, self.tokens.call]
        self.stop_token_ids += [] if self.tokens.end_of_text is None else [self.tokens.end_of_text]

    @staticmethod
    def describe(python: str) -> str:
        """How Python is called, in the words that the models were trained with, then what `python` says of it."""
        return f"{PYTHON_CALLS} {python}"

    @staticmethod
    def read_text(text: str) -> tuple[ParsedTrace, bool]:
        """A transcript, and whether its messages joined again are the same text."""
        tokenizer = ByteTokenizer([*CONTROL_TOKENS, END_OF_TEXT])
        dialect = Harmony(tokenizer)
        ids = encode_markup(tokenizer, text)
        again = dialect.tokens.join(dialect.tokens.split(ids))
        return dialect.parse(ids), tokenizer.decode(again) == text

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        """System message, `system` as the developer's instructions, the user's message, and the assistant's header.

        `mode` None asks for medium effort, the models' own default.
        """
        opening = SystemContent(
            knowledge_cutoff=self.knowledge_cutoff,
            current_date=self.current_date,
            reasoning=(mode or Mode.MEDIUM).value,
            tools=[Tool(PYTHON, self.python_description)] if tool else [],
        )
        write = self.tokens.write
        return [
            *write("system", opening.render()),
            *(write("developer", developer_text(system)) if system else []),
            *write("user", user),
            *self.tokens.open(ASSISTANT),
        ]

    def turn(self, generated: list[int], *, opening: list[int] | None = None, mode: Mode | None = None) -> Turn:
        """Read the last message of a turn. It is a call when `<|call|>` closed it, whoever wrote its opening header."""
        return read_turn(self.tokens, generated)

    def turn_end(self) -> None:
        """None: control tokens end every turn of harmony."""

    def tool_output(self, *calls: ToolCall, turn: Turn | None = None, calls_left: int | None = None) -> list[int]:
        """The result as a message from `python` to the assistant, and the header of the assistant's next message."""
        text = "\n".join(map(shown_output, calls))  # a turn of this format makes one call
        if calls_left is not None and calls_left <= 0:
            text = f"{text.rstrip()}\n\nNo Python calls are left. Finish without running more code."
        output = self.tokens.write(PYTHON, text, recipient=ASSISTANT, channel="analysis")
        return output + self.tokens.open(ASSISTANT)

    def parse(self, token_ids: list[int], mask: list[int] | None = None) -> ParsedTrace:
        """Messages of a whole trace in OpenAI form. Calls that `<|call|>` closed are counted, run or not."""
        return parse(self.tokens, token_ids, mask, tool_name=self.tool_name)
