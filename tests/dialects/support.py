"""Tokenizers and shorthands for the tests of dialects."""

from __future__ import annotations

from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer

FENCED_CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def harmony_bytes() -> ByteTokenizer:
    return ByteTokenizer(CONTROL_TOKENS)


@cache
def bpe_json(control: tuple[str, ...] = CONTROL_TOKENS, plain: tuple[str, ...] = ()) -> str:
    """A small byte-level BPE tokenizer.json, as model directories hold them. `plain` tokens are not flagged special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = ["assistant analysis to=python code print(2 + 2)", "system user final commentary <|end|> <|start|>"] * 8
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens(list(control))
    tokenizer.add_tokens([AddedToken(spelling, special=False, normalized=False) for spelling in plain])
    return str(tokenizer.to_str())
