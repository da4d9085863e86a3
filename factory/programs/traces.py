"""Read traces back: the answer that a parsed trace arrives at, and the parsing of stored transcripts."""

from __future__ import annotations

from factory.dialects.protocol import ParsedTrace
from factory.verify.extract import extract_answer


def final_answer(parsed: ParsedTrace) -> str | None:
    """The last balanced box of what the model said at the end, else of all that it wrote.

    Nemotron-Math takes the last box of the whole generation; many traces end before they reach the final channel.
    """
    answer = extract_answer(parsed.final_text)
    return answer if answer is not None else extract_answer(generated_text(parsed))


def generated_text(parsed: ParsedTrace) -> str:
    """Everything the model wrote in words, thought included, in order. Code is not part of it."""
    said = [m for m in parsed.messages if m.role == "assistant"]
    return "\n\n".join(text for m in said for text in (m.reasoning_content, m.content) if text)
