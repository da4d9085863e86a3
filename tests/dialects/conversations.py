"""The conversations behind the reference renderings of harmony, as arguments of `render`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from factory.dialects.harmony_prompt import PYTHON_DESCRIPTION, DeveloperContent, Function, SystemContent, Tool
from factory.dialects.harmony_render import Said

DATE = "2025-06-28"
TWO_CHANNELS = ("analysis", "final")

PYTHON = Tool("python", PYTHON_DESCRIPTION)


def comment_above(reference: str, line: str) -> str:
    """The `//` comment that stands above the line that begins with `line`. The prose of tools is taken from there."""
    before = reference[: reference.index(f"\n{line}")].split("\n")
    first = max(i for i, text in enumerate(before) if not text.startswith("//"))
    return "\n".join(text.removeprefix("// ") for text in before[first + 1 :])


def _function(reference: str, name: str, properties: dict[str, Any], required: Sequence[str] = ()) -> Function:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Function(name, comment_above(reference, f"type {name} ="), schema)


def _number(default: Any) -> dict[str, Any]:
    return {"type": "number", "default": default}


def browser(reference: str) -> Tool:
    pages = {"cursor": _number(-1), "loc": _number(-1), "num_lines": _number(-1)}
    text = {"type": "string"}
    functions = [
        _function(reference, "search", {"query": text, "topn": _number(10), "source": text}, ["query"]),
        _function(
            reference,
            "open",
            {
                "id": {"type": ["number", "string"], "default": -1},
                **pages,
                "view_source": {"type": "boolean", "default": False},
                "source": text,
            },
        ),
        _function(reference, "find", {"pattern": text, "cursor": _number(-1)}, ["pattern"]),
    ]
    return Tool("browser", comment_above(reference, "namespace browser"), functions)


def weather(reference: str) -> list[Function]:
    unit = {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}
    place = {"type": "string", "description": comment_above(reference, "location: string")}
    places = {
        "type": "array",
        "items": {"type": "string"},
        "description": comment_above(reference, "locations: string[]"),
    }
    sink = Function(
        "kitchensink",
        comment_above(reference, "type kitchensink ="),
        {
            "description": "params object",
            "type": "object",
            "properties": {
                "string": {
                    "type": "string",
                    "title": "STRING",
                    "description": "A string",
                    "examples": ["hello", "world"],
                },
                "string_nullable": {
                    "type": "string",
                    "nullable": True,
                    "description": "A nullable string",
                    "default": "the default",
                },
                "string_enum": {"type": "string", "enum": ["a", "b", "c"]},
                "oneof_string_or_number": {
                    "oneOf": [
                        {"type": "string", "default": "default_string_in_oneof"},
                        {"type": "number", "description": "numbers can happen too"},
                    ],
                    "description": "a oneof",
                    "default": 20,
                },
            },
        },
    )
    return [
        Function("get_location", comment_above(reference, "type get_location =")),
        _function(reference, "get_current_weather", {"location": place, "format": unit}, ["location"]),
        _function(reference, "get_multiple_weathers", {"locations": places, "format": unit}, ["locations"]),
        sink,
    ]


def system(**content: Any) -> Said:
    return Said(role="system", content=SystemContent(**content))


def user(text: str) -> Said:
    return Said(role="user", content=text)


def analysis(text: str) -> Said:
    return Said(role="assistant", channel="analysis", content=text)


def final(text: str) -> Said:
    return Said(role="assistant", channel="final", content=text)


def asks(effort: str, question: str, instructions: str = "", **content: Any) -> list[Said]:
    developer = [Said(role="developer", content=DeveloperContent(instructions=instructions))] if instructions else []
    return [system(reasoning=effort, **content), *developer, user(question)]


def lookup_weather(reference: str) -> Said:
    function = _function(reference, "lookup_weather", {"location": {"type": "string"}}, ["location"])
    return Said(role="developer", content=DeveloperContent(functions=[function]))


CAPITAL = "What is the capital of the largest country in the world?"
CANDY = "What is the best place to eat candy in the world?"
ROBOT = "Answer the user's questions like a robot."
SUM = user("What is 2 + 2?")
TWO_QUESTIONS = [
    SUM,
    analysis('User asks a simple question: "What is 2 + 2?" The answer: 4.'),
    final("2 + 2 equals 4."),
    user("What about 9 / 2?"),
]
TWO_FINALS = [
    SUM,
    analysis("thinking 2+2"),
    final("4"),
    user("What is 3 + 5?"),
    analysis("thinking 3+5"),
    final("8"),
]
ONGOING = [
    user("What is the weather in SF?"),
    analysis("User asks: “What is the weather in SF?” We need to use lookup_weather tool."),
    Said(
        role="assistant",
        recipient="functions.lookup_weather",
        channel="commentary",
        content_type="<|constrain|>json",
        content='{"location": "San Francisco"}',
    ),
    Said(role="functions.lookup_weather", content='{"temperature": 20, "description": "sunny"}'),
]

Build = Callable[[str], list[Said]]
CASES: dict[str, Build] = {
    "no_tools": lambda _: [system(current_date=DATE)],
    "browser_tool_only": lambda reference: [system(current_date=DATE, tools=[browser(reference)])],
    "browser_and_python_tool": lambda reference: [system(current_date=DATE, tools=[browser(reference), PYTHON])],
    "browser_and_function_tool": lambda reference: [
        system(current_date=DATE, tools=[browser(reference)]),
        lookup_weather(reference),
    ],
    "render_functions_with_parameters": lambda reference: [
        system(current_date=DATE, reasoning="high"),
        Said(
            role="developer",
            content=DeveloperContent(instructions="Always respond in riddles", functions=weather(reference)),
        ),
        user("What is the weather like in SF?"),
    ],
    "reasoning_system_message": lambda _: asks("medium", "What is 2 + 2?", channels=TWO_CHANNELS),
    "reasoning_system_message_no_instruction": lambda _: asks("high", CANDY, channels=TWO_CHANNELS),
    "reasoning_system_message_with_dates": lambda _: asks(
        "medium", "What is 42 * pi?", channels=TWO_CHANNELS, knowledge_cutoff="2021-01", current_date="2021-01-01"
    ),
    "simple_convo": lambda _: asks("medium", "What is 2 + 2?"),
    "simple_convo_low_effort": lambda _: asks("low", CAPITAL, ROBOT),
    "simple_convo_medium_effort": lambda _: asks("medium", CAPITAL, ROBOT),
    "simple_convo_high_effort": lambda _: asks("high", CAPITAL, ROBOT),
    "simple_convo_low_effort_no_instruction": lambda _: asks("low", CAPITAL),
    "simple_convo_medium_effort_no_instruction": lambda _: asks("medium", CAPITAL),
    "simple_convo_high_effort_no_instruction": lambda _: asks("high", CAPITAL),
    "dropping_cot_by_default": lambda _: TWO_QUESTIONS,
    "preserve_cot": lambda _: TWO_QUESTIONS,
    "keep_analysis_between_finals": lambda _: TWO_FINALS,
    "does_not_drop_if_ongoing_analysis": lambda _: ONGOING,
}
"""Name of a reference file -> the conversation behind it, given the file's text."""

OPTIONS: dict[str, dict[str, Any]] = {
    "preserve_cot": {"next_role": "assistant", "keep_analysis": True},
    "keep_analysis_between_finals": {},
}
"""Options of `render` that are not just `next_role="assistant"`."""
