"""The words of a harmony conversation's opening: system and developer messages as the gpt-oss models were trained on.

The wording is part of the format, like a header: the weights know it, so it is reproduced and not reworded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
KNOWLEDGE_CUTOFF = "2024-06"
CHANNELS = ("analysis", "commentary", "final")
PYTHON_TOOL = (
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. This tool "
    "should be used for internal reasoning, but not for code that is intended to be visible to the user (e.g. when "
    "creating plots, tables, or files).\n\n"
    "When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook "
    "environment. python will respond with the output of the execution or time out after 120.0 seconds. The drive at "
    "'/mnt/data' can be used to save and persist user files. Internet access for this session is UNKNOWN. Depends on "
    "the cluster."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContent:
    """What a system message says. `tools` maps a tool's name to its section's text."""

    identity: str = IDENTITY
    knowledge_cutoff: str | None = KNOWLEDGE_CUTOFF
    current_date: str | None = None
    reasoning: str | None = "medium"
    tools: dict[str, str] = field(default_factory=dict)
    channels: Sequence[str] = CHANNELS
    functions: bool = False
    """Whether the developer message declares functions."""

    def render(self) -> str:
        about = [self.identity]
        if self.knowledge_cutoff:
            about.append(f"Knowledge cutoff: {self.knowledge_cutoff}")
        if self.current_date:
            about.append(f"Current date: {self.current_date}")
        sections = ["\n".join(about)]
        if self.reasoning:
            sections.append(f"Reasoning: {self.reasoning}")
        if self.tools:
            sections.append("# Tools")
            sections += [f"## {name}\n\n{text}" for name, text in self.tools.items()]
        if self.channels:
            line = f"# Valid channels: {', '.join(self.channels)}. Channel must be included for every message."
            if self.functions:
                line += "\nCalls to these tools must go to the commentary channel: 'functions'."
            sections.append(line)
        return "\n\n".join(sections)
