"""Writes the model directory: tokenizer files, chat template, generation config and weights."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import LlamaForCausalLM
from transformers.utils import logging

from jobs.demo import tokenizer

_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def write_tokenizer(out: Path, texts: Iterable[str], fixed: tokenizer.Fixed) -> None:
    """Build the tokenizer on `texts` and write it with its chat template."""
    tokenizer.build(texts, fixed).save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": "<|return|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (out / "chat_template.jinja").write_text(chat_template(), encoding="utf-8")


def chat_template() -> str:
    """The template with the words of the harmony dialect filled in."""
    text, words = _TEMPLATE.read_text(encoding="utf-8"), tokenizer.opening()
    for name, value in (("before", words.before), ("python", words.python), ("after", words.after)):
        text = text.replace(f"[[{name}]]", json.dumps(value))
    return text


def write_weights(out: Path, model: LlamaForCausalLM) -> None:
    """Save weights in bfloat16, config and generation config; the stop tokens are all that end a harmony turn."""
    control = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    ids = {token["content"]: token["id"] for token in control}
    saved = copy.deepcopy(model).to(torch.bfloat16)
    saved.generation_config.eos_token_id = [ids["<|return|>"], ids["<|call|>"], ids["<|endoftext|>"]]
    saved.generation_config.pad_token_id = ids["<|endoftext|>"]
    saved.generation_config.do_sample = True
    logging.disable_progress_bar()
    saved.save_pretrained(out)
