"""Texts of the kinds that public reports speak of, half of a larger set: none may lose its words or its blocks."""

from __future__ import annotations

import json
import re

from factory.sources.markdown import to_markdown


def words(text: str) -> int:
    return len(re.findall(r"\w+", text))


# What must hold of the Markdown of a text, by the group of its fault.
HOLDS = {
    "H1": lambda source, text: all(cell in text for cell in re.findall(r"<td>([^<]+)", source)) and "23" not in text,
    "H3": lambda source, text: "\n" in text,
    "H4": lambda source, text: text.startswith("$") and text.endswith("$") and "34" not in text,
    "H6": lambda source, text: "&lt" not in text and "<a<b" in text,
    "H7": lambda source, text: (
        len(re.findall(r"\w+", text)) >= len(re.findall(r"\w+", re.sub(r"</?p>|&lt;", " ", source)))
    ),
    "H9": lambda source, text: "](" not in text,
    "H10": lambda source, text: "\r" not in text and "\0" not in text,
}


def test_no_reported_text_loses_anything(shared_data):
    lines = shared_data("reports_sources_visible.jsonl").read_text().splitlines()
    cases = [case for case in map(json.loads, lines) if case["kind"].startswith("html") and "<" in case["input"]]
    checked = [case for case in cases if case["fault"] in HOLDS]
    lost = [case["kind"] for case in checked if not HOLDS[case["fault"]](case["input"], to_markdown(case["input"]))]
    assert lost == []
    assert len(checked) > 15
