"""A tiny model's tokenizer: byte-level BPE, digits one by one, and the prompts' fixed sentences as one token each.

Nothing of it is special but harmony's control tokens: a fixed sentence is an ordinary vocabulary entry that the
pre-tokenizer keeps whole (and `ignore_merges` looks up as it is), so any text encodes and decodes back to itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import ByteTokenizer
from factory.prompts.loader import prompt
from factory.records import Mode

CONTROL = [
    "<|endoftext|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>",
]  # fmt: skip
_BYTES = ByteLevel(add_prefix_space=False, use_regex=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """The dialect's system message: `before`, the effort, `python` where there is the tool, `after`."""

    before: str
    python: str
    after: str


def opening() -> Opening:
    plain, with_python = (_system_message(tool) for tool in (False, True))
    before, _, after = plain.partition(Mode.LOW)
    start = len(before) + len(Mode.LOW)
    return Opening(before, with_python[start : len(with_python) - len(after)], after)


def _system_message(tool: bool) -> str:
    dialect = Harmony(ByteTokenizer(CONTROL))
    return dialect.parse(dialect.prompt("", mode=Mode.LOW, tool=tool)).messages[0].content


@dataclass(frozen=True, slots=True)
class Fixed:
    """What stays whole: `sentences` that never change, and `words`, a pattern for everything between them."""

    sentences: list[str]
    words: str = r"\p{N}| ?\p{L}+|[^\p{L}\p{N}]+"


def fixed_sentences() -> list[str]:
    """The stretches of the solving prompt that never change, the dialect's opening among them."""
    return [*opening_sentences(), prompt("solve").template.partition("{{problem}}")[2].lstrip("\n")]


def opening_sentences() -> list[str]:
    words = opening()
    return [words.before, words.python, words.after]


def prompt_segments(name: str) -> list[str]:
    """The stretches of a prompt between its variables."""
    file = prompt(name)
    return file.render(dict.fromkeys(file.variables, "\0")).split("\0")


def build(texts: Iterable[str], fixed: Fixed, *, merges: int = 256, common: int = 8) -> Tokenizer:
    """A word that occurs `common` times in `texts` is one token; `merges` pairs of bytes serve all else."""
    sentences = sorted({sentence for sentence in fixed.sentences if sentence}, key=lambda s: (-len(s), s))
    pattern = "|".join([*map(re.escape, sentences), fixed.words])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), _BYTES])
    tokenizer.decoder = decoders.ByteLevel()
    texts = list(texts)
    alphabet = sorted(ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())
    words = Counter(word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    whole = [piece for sentence in sentences for piece, _ in _BYTES.pre_tokenize_str(sentence)]
    whole += sorted(word for word, count in words.items() if count >= common)
    vocabulary = state["model"]["vocab"]
    for word in whole:
        vocabulary.setdefault(word, len(vocabulary))
    state["model"]["ignore_merges"] = True
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    return tokenizer
