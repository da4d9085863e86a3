"""The words of a harmony conversation's opening: system and developer messages as the gpt-oss models were trained on.

The wording is part of the format, like a header: the weights know it, so it is reproduced and not reworded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factory.dialects.typescript import Schema, type_of

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
KNOWLEDGE_CUTOFF = "2024-06"
CHANNELS = ("analysis", "commentary", "final")
PYTHON = "python"
PYTHON_DESCRIPTION = (
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. This tool "
    "should be used for internal reasoning, but not for code that is intended to be visible to the user (e.g. when "
    "creating plots, tables, or files).\n\n"
    "When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook "
    "environment. python will respond with the output of the execution or time out after 120.0 seconds. The drive at "
    "'/mnt/data' can be used to save and persist user files. Internet access for this session is UNKNOWN. Depends on "
    "the cluster."
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Schema | None = None

    def render(self) -> str:
        comment = "".join(f"// {line}\n" for line in self.description.splitlines())
        arguments = f"_: {type_of(self.parameters)}" if self.parameters else ""
        return f"{comment}type {self.name} = ({arguments}) => any;"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's section. One without functions takes raw text and is described in prose."""

    name: str
    description: str = ""
    functions: Sequence[Function] = ()

    def render(self) -> str:
        if not self.functions:
            return f"## {self.name}\n\n{self.description}"
        comment = "".join(f"// {line}\n" for line in self.description.splitlines())
        body = "\n\n".join(f.render() for f in self.functions)
        namespace = f"namespace {self.name} {{\n\n{body}\n\n}} // namespace {self.name}"
        return f"## {self.name}\n\n{comment}{namespace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContent:
    """What a system message says; whatever is None or empty is left out."""

    identity: str = IDENTITY
    knowledge_cutoff: str | None = KNOWLEDGE_CUTOFF
    current_date: str | None = None
    reasoning: str | None = "medium"
    tools: Sequence[Tool] = ()
    channels: Sequence[str] = CHANNELS

    def render(self, *, calls_functions: bool = False) -> str:
        """The message's text. `calls_functions`: a developer message of the conversation declares functions."""
        about = [self.identity]
        about += [f"Knowledge cutoff: {self.knowledge_cutoff}"] if self.knowledge_cutoff else []
        about += [f"Current date: {self.current_date}"] if self.current_date else []
        sections = ["\n".join(about)]
        sections += [f"Reasoning: {self.reasoning}"] if self.reasoning else []
        sections += ["# Tools", *(tool.render() for tool in self.tools)] if self.tools else []
        if self.channels:
            line = f"# Valid channels: {', '.join(self.channels)}. Channel must be included for every message."
            if calls_functions:
                line += "\nCalls to these tools must go to the commentary channel: 'functions'."
            sections.append(line)
        return "\n\n".join(sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeveloperContent:
    """What a developer message says: instructions, and the functions that the caller offers."""

    instructions: str = ""
    functions: Sequence[Function] = ()

    def render(self) -> str:
        sections = [f"# Instructions\n\n{self.instructions}"] if self.instructions else []
        sections += ["# Tools", Tool("functions", functions=self.functions).render()] if self.functions else []
        return "\n\n".join(sections)
