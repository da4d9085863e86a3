"""The words of a harmony conversation's opening: system and developer messages as the gpt-oss models were trained on.

The wording is part of the format, like a header: the weights know it, so it is reproduced and not reworded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
KNOWLEDGE_CUTOFF = "2024-06"
CHANNELS = ("analysis", "commentary", "final")
_PYTHON_USE = (
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. This tool "
    "should be used for internal reasoning, but not for code that is intended to be visible to the user (e.g. when "
    "creating plots, tables, or files).\n\n"
)
PYTHON_DESCRIPTION = (
    f"{_PYTHON_USE}"
    "When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook "
    "environment. python will respond with the output of the execution or time out after 120.0 seconds. The drive at "
    "'/mnt/data' can be used to save and persist user files. Internet access for this session is UNKNOWN. Depends on "
    "the cluster."
)
"""The trained wording as a whole, which promises a notebook, two minutes and a drive."""
PYTHON_CALLS = (
    f"{_PYTHON_USE}"
    "When you send a message containing Python code to python, it will be executed in a stateful Python session."
)
"""What of it is true of any sandbox; what a session gives follows."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that takes raw text, described in prose."""

    name: str
    description: str

    def render(self) -> str:
        return f"## {self.name}\n\n{self.description}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContent:
    """What a system message says; whatever is None or empty is left out."""

    identity: str = IDENTITY
    knowledge_cutoff: str | None = KNOWLEDGE_CUTOFF
    current_date: str | None = None
    reasoning: str | None = "medium"
    tools: Sequence[Tool] = ()
    channels: Sequence[str] = CHANNELS

    def render(self) -> str:
        about = [self.identity]
        about += [f"Knowledge cutoff: {self.knowledge_cutoff}"] if self.knowledge_cutoff else []
        about += [f"Current date: {self.current_date}"] if self.current_date else []
        sections = ["\n".join(about)]
        sections += [f"Reasoning: {self.reasoning}"] if self.reasoning else []
        sections += ["# Tools", *(tool.render() for tool in self.tools)] if self.tools else []
        if self.channels:
            channels = ", ".join(self.channels)
            sections.append(f"# Valid channels: {channels}. Channel must be included for every message.")
        return "\n\n".join(sections)


def developer_text(instructions: str) -> str:
    """What a developer message says."""
    return f"# Instructions\n\n{instructions}"
