"""What a model is promised of its Python tool: the words of `python_tool.yaml` with the recipe's own figures."""

from __future__ import annotations

from factory import recipe
from factory.prompts.loader import prompt


def python_tool(sandbox: recipe.SandboxSettings) -> str:
    """One paragraph, the same for every sample of a recipe; empty if the dialect's own words are to do."""
    if sandbox.tool_description == "trained":
        return ""
    return (
        prompt("python_tool")
        .render({"timeout_s": f"{sandbox.timeout_s:g}", "packages": ", ".join(sandbox.importable)})
        .strip()
    )
