"""Harmony, the chat format of the gpt-oss models, on token ids: prompts, Python calls, tool output, reading back.

Knows records and the tokenizer protocol. The messages themselves are cut and joined in `harmony_message`, the opening
is worded in `harmony_prompt`, whole conversations are written by `harmony_render` and read by `harmony_parse`.
"""

from __future__ import annotations

from factory.dialects.harmony_message import HarmonyTokens
from factory.dialects.harmony_parse import parse, read_call
from factory.dialects.harmony_prompt import (
    KNOWLEDGE_CUTOFF,
    PYTHON,
    PYTHON_DESCRIPTION,
    DeveloperContent,
    SystemContent,
    Tool,
)
from factory.dialects.harmony_render import Said, render
from factory.dialects.protocol import Parsed, Tokenizer, Turn
from factory.dialects.shown import shown_output
from factory.records import Mode, ToolCall

RELEASED_TOOL = "stateful_python_code_exec"
"""The Python tool's name in messages of OpenAI form, as in the released Nemotron-Math rows (`tools` column)."""


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
        tool_name: str = RELEASED_TOOL,
    ) -> None:
        self.tokenizer = tokenizer
        self.tokens = HarmonyTokens(tokenizer)
        self.knowledge_cutoff, self.current_date = knowledge_cutoff, current_date
        self.python_description, self.tool_name = python_description, tool_name
        end_of_text = tokenizer.control.get("<|endoftext|>")
        self.stop_token_ids = [self.tokens.return_, self.tokens.call]
        self.stop_token_ids += [end_of_text] if end_of_text is not None else []

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
        instructions = [Said(role="developer", content=DeveloperContent(instructions=system))] if system else []
        return render(
            self.tokens,
            [Said(role="system", content=opening), *instructions, Said(role="user", content=user)],
            next_role="assistant",
        )

    def turn(self, generated: list[int]) -> Turn:
        """Read the last message of a turn. It is a call when `<|call|>` closed it, whoever wrote its opening header."""
        if not generated or generated[-1] != self.tokens.call:
            return Turn()
        return read_call(self.tokens, self.tokens.split(generated)[-1])

    def end_of_turn(self, token_ids: list[int], *, start: int, n_new: int) -> int | None:
        """None: control tokens end every turn of harmony."""
        return None

    def tool_output(self, call: ToolCall, *, calls_left: int | None = None) -> list[int]:
        """The result as a message from `python` to the assistant, and the header of the assistant's next message."""
        text = shown_output(call)
        if calls_left is not None and calls_left <= 0:
            text = f"{text.rstrip()}\n\nNo Python calls are left. Finish without running more code."
        output = Said(role=PYTHON, content=text, recipient="assistant", channel="analysis")
        return render(self.tokens, [output], next_role="assistant")

    def parse(self, token_ids: list[int]) -> Parsed:
        """Messages of a whole trace in OpenAI form. Calls that `<|call|>` closed are counted, run or not."""
        return parse(self.tokens, token_ids, tool_name=self.tool_name)
