"""Texts made to slow a reader down, by the size that they shall have in characters."""

from __future__ import annotations

from collections.abc import Callable

HOSTILE: dict[str, Callable[[int], str]] = {
    "unclosed \\(": lambda size: "The answer is 5. " + "so \\(" * (size // 5),
    "unclosed $": lambda size: "a $x b " * (size // 7),
    "many formulas": lambda size: "$x=5$ is " * (size // 9),
    "many boxes": lambda size: "\\boxed{5} " * (size // 10),
    "open boxes": lambda size: "\\boxed{" * (size // 7),
    "nested boxes": lambda size: "\\boxed{" * (size // 8) + "5" + "}" * (size // 8),
    "deep braces": lambda size: "{" * (size // 2) + "}" * (size // 2),
    "announcements": lambda size: "answer to a b c " * (size // 16),
    "spaces": lambda size: "a" + " " * size + "b",
    "stars": lambda size: "*" * size + "5",
    "lines": lambda size: "5 is\n" * (size // 5),
    "one sentence": lambda size: "is 5 and so we go " * (size // 18),
    "elements": lambda size: "<answer>" * (size // 8),
    "commands": lambda size: "\\frac{" * (size // 6),
}
