"""What can be measured on a pair of problems without a language model, as named numbers.

Directions: `forward` asks how much of the benchmark problem stands in the training problem (what contamination means),
`backward` how much of the training problem stands in the benchmark problem. Containment (shared / own) and not a
symmetric overlap, because a training row may carry more text than the benchmark problem inside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from factory.decontaminate.alignment import meaning_changes
from factory.decontaminate.text import CONCEPT_LANGUAGES, Text, analyse

NGRAM = 3
"""Words of an n-gram: paraphrases keep threes; 13-grams (GPT-3, appendix C) only find copies."""
CHAR_NGRAM = 6
NEAR_COPY = 0.7
SAME_WORDS = 0.9
SHORT = 40
"""Words up to which a text is told from another by its formulas alone, where the words of both are the same."""
NEUTRAL = 0.5
_COMMON_NUMBERS = frozenset(("0", "1", "2"))


def signals(train_text: str, bench_text: str, cosine: float) -> dict[str, float]:
    """Every signal of one pair, each in [0, 1], save `cosine` in [-1, 1].

    Where neither side has names or formulas at all, those signals are `NEUTRAL`. `has_numbers` is 1 where a number
    other than 0, 1 and 2 occurs on either side: without one, numbers in common say nothing. `has_concepts` is 1 where
    both languages are among those that concepts.yaml knows. `meaning_changes` is a count, made only where at least
    `NEAR_COPY` of the benchmark problem stands in the training problem, or where `same_words` is 1: two short texts
    that may differ in formulas alone.
    """
    train, bench = analyse(train_text), analyse(bench_text)
    train_chars, bench_chars = _char_ngrams(train.squeezed), _char_ngrams(bench.squeezed)
    train_words, bench_words = _word_ngrams(train.words), _word_ngrams(bench.words)
    train_symbols, bench_symbols = _symbol_ngrams(train.symbols), _symbol_ngrams(bench.symbols)
    train_numbers, bench_numbers = _weighed(train.numbers), _weighed(bench.numbers)
    chars_forward = _containment(bench_chars, train_chars)
    content = _containment(Counter(bench.content), Counter(train.content))
    content_backward = _containment(Counter(train.content), Counter(bench.content))
    same_words = min(content, content_backward) >= SAME_WORDS and max(len(train.words), len(bench.words)) <= SHORT
    near_copy = train.squeezed != bench.squeezed and (chars_forward >= NEAR_COPY or same_words)
    return {
        "cosine": float(cosine),
        "equal": float(bool(bench.squeezed) and train.squeezed == bench.squeezed),
        "ngram_forward": _containment(bench_words, train_words),
        "ngram_backward": _containment(train_words, bench_words),
        "chars_forward": chars_forward,
        "chars_backward": _containment(train_chars, bench_chars),
        "content_forward": content,
        "content_backward": content_backward,
        "same_words": float(same_words),
        "numbers_forward": _containment(bench_numbers, train_numbers),
        "numbers_backward": _containment(train_numbers, bench_numbers),
        "numbers_evidence": 1 - math.exp(-(train_numbers & bench_numbers).total() / 40),
        "has_numbers": float(bool((train.numbers | bench.numbers) - _COMMON_NUMBERS)),
        "meaning_changes": float(meaning_changes(_spelled(train), _spelled(bench))) if near_copy else 0.0,
        "names": _names(train, bench),
        "math_forward": _containment(bench_symbols, train_symbols),
        "math_backward": _containment(train_symbols, bench_symbols),
        "length_ratio": _ratio(len(train.squeezed), len(bench.squeezed)),
        "labels_forward": _share(bench.labels, train.labels),
        "labels_backward": _share(train.labels, bench.labels),
        "concepts_forward": _share(bench.concepts, train.concepts),
        "concepts_backward": _share(train.concepts, bench.concepts),
        "has_concepts": float({train.language, bench.language} <= CONCEPT_LANGUAGES),
        "size_ratio": _ratio(train.size, bench.size),
        "same_language": float(train.language == bench.language or "math" in (train.language, bench.language)),
    }


def _word_ngrams(words: Sequence[str]) -> Counter[str]:
    if len(words) < NGRAM:
        return Counter([" ".join(words)] if words else [])
    return Counter(" ".join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1))


def _char_ngrams(squeezed: str) -> Counter[str]:
    if len(squeezed) < CHAR_NGRAM:
        return Counter([squeezed] if squeezed else [])
    return Counter(squeezed[i : i + CHAR_NGRAM] for i in range(len(squeezed) - CHAR_NGRAM + 1))


def _spelled(text: Text) -> list[str]:
    """The words of a text, its labels letter by letter: AP and BP differ in one of two points."""
    labels = {label.lower() for label in text.labels if len(label) > 1 and label.isupper()}
    return [letter for word in text.words for letter in (word if word in labels else (word,))]


def _weighed(numbers: frozenset[str]) -> Counter[str]:
    """Each number as often as it is rare: four times its bits, so that 2 counts 6, 10 counts 14 and 2025 counts 44."""
    return Counter({number: _surprise(number) for number in numbers})


def _surprise(number: str) -> int:
    digits = number.replace(".", "").lstrip("0") or "0"
    return round(4 * math.log2(1 + int(digits[:6]))) + 1 if digits != "0" else 2


def _symbol_ngrams(symbols: Sequence[str]) -> Counter[str]:
    return Counter(" ".join(symbols[i : i + NGRAM]) for i in range(len(symbols) - NGRAM + 1))


def _containment(own: Counter[str], other: Counter[str]) -> float:
    """Share of `own`'s occurrences that `other` holds too."""
    total = own.total()
    if not total:
        return 0.0 if other else NEUTRAL
    return (own & other).total() / total


def _share(own: frozenset[str] | frozenset[int], other: frozenset[str] | frozenset[int]) -> float:
    """Share of `own` that `other` holds too."""
    if not own:
        return 0.0 if other else NEUTRAL
    return len(own & other) / len(own)


def _names(train: Text, bench: Text) -> float:
    """Share of the names in either text that are words of both: a name may stand first in a sentence in one of them."""
    names = train.names | bench.names
    shared = names.intersection(train.words).intersection(bench.words)
    return len(shared) / len(names) if names else NEUTRAL


def _ratio(one: int, two: int) -> float:
    return min(one, two) / max(one, two, 1)
