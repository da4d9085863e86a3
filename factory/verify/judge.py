"""The LLM judge's protocol: what is asked without the model, and how its reply is read.

As in Nemotron-Math (appendix D) and NeMo-Skills: the judge sees problem, expected and predicted answer, reasons in a
sentence or two and ends with a line `Judgement: Yes` or `Judgement: No`. The prompt and its examples are in
`factory/prompts/judge.yaml` and `judge.examples.yaml`. Asking the model is the caller's business.
"""

from __future__ import annotations

import re

from factory.verify.votes import is_missing

_VERDICT = re.compile(r"judge?ment\s*\W*:\s*\W*(yes|no)\b", re.IGNORECASE)
_LABEL = re.compile(r"judge?ment\s*\W*:", re.IGNORECASE)


def prefilter(expected: str, predicted: str | None) -> bool | None:
    """What needs no model: nothing predicted is a no, identical stripped strings are a yes; None means ask."""
    if predicted is None or is_missing(predicted):
        return False
    return True if predicted.strip() == expected.strip() else None


def parse_judgement(text: str | None) -> bool | None:
    """The verdict behind the last "Judgement:", in any case and with any Markdown around it.

    A reply without one, or whose last one is followed by neither yes nor no, is malformed and counts as a no: False.
    None stands for a reply that is missing altogether (the request failed), which is no verdict.
    """
    if text is None:
        return None
    labels = list(_LABEL.finditer(text))
    if not labels:
        return False
    verdict = _VERDICT.match(text, labels[-1].start())
    return verdict is not None and verdict.group(1).lower() == "yes"
