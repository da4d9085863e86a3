"""The shipped model directory: small, loadable, and its chat template renders what the dialect renders."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.records import Mode
from factory.verify.extract import extract_answer
from jobs.demo.corpus import draw, user_prompt
from jobs.demo.evaluate import TEACHER
from jobs.demo.model_dir import chat_template
from jobs.demo.tokenizer import CONTROL, fixed_sentences

TEXTS = [
    "What is 35% of 240?",
    "Let $f(x)=\\frac{x^2-1}{x+\\sqrt{3}}$. Find $\\sum_{k=1}^{10} f(k)$.\n\nYou may use a computer.",
    "unusual: 数学 é ∑ 🙂\t tabs\r\n and   spaces ",
    "def f(x):\n        return x ** 2\n",
]


@pytest.fixture(scope="module")
def dialect() -> Harmony:
    return Harmony(HfTokenizer(TEACHER, required=CONTROL))


def test_the_directory_is_small_and_complete() -> None:
    files = {file.name: file.stat().st_size for file in TEACHER.iterdir()}
    assert {
        "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    } <= files.keys()  # fmt: skip
    assert sum(files.values()) < 12e6


@pytest.mark.parametrize("text", [*TEXTS, *fixed_sentences(), *CONTROL])
def test_any_text_comes_back(dialect: Harmony, text: str) -> None:
    ids = dialect.tokenizer.encode(text)
    assert dialect.tokenizer.decode(ids) == text
    assert not set(ids) & set(dialect.tokenizer.control.values())


def test_digits_stand_alone_and_fixed_sentences_are_one_token(dialect: Harmony) -> None:
    assert len(dialect.tokenizer.encode("3072")) == 4
    assert [len(dialect.tokenizer.encode(sentence)) for sentence in fixed_sentences()] == [1, 1, 1, 1]
    assert len(dialect.prompt(user_prompt(""), mode=Mode.HIGH, tool=True)) < 20


@pytest.mark.parametrize("system", ["", "Answer in English."])
@pytest.mark.parametrize("tool", [True, False])
@pytest.mark.parametrize("mode", [*Mode, None])
def test_the_chat_template_renders_what_the_dialect_does(
    dialect: Harmony, mode: Mode | None, tool: bool, system: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TEACHER)
    arguments = {"reasoning_effort": mode.value} if mode else {}
    if tool:
        arguments["builtin_tools"] = ["python"]
    for text in TEXTS:
        user = user_prompt(text)
        messages = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": user}]
        rendered = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False, **arguments
        )
        assert rendered == dialect.prompt(user, mode=mode, tool=tool, system=system)


def test_the_shipped_template_is_the_one_the_code_writes() -> None:
    assert (TEACHER / "chat_template.jinja").read_text(encoding="utf-8") == chat_template()


def test_it_answers_in_harmony(dialect: Harmony) -> None:
    """Greedy and without Python: well-formed traces in each mode, high right more often than not."""
    model = AutoModelForCausalLM.from_pretrained(TEACHER, dtype=torch.float32).eval()
    assert set(model.generation_config.eos_token_id) == set(dialect.stop_token_ids)
    rng = random.Random(11)
    exercises = [draw(rng, held_back=True) for _ in range(24)]
    right = 0
    for mode in Mode:
        prompts = [dialect.prompt(user_prompt(e.text), mode=mode, tool=False) for e in exercises]
        longest = max(map(len, prompts))
        pad = model.generation_config.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        with torch.inference_mode():
            written = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=500)[
                :, longest:
            ].tolist()
        for prompt, row, exercise in zip(prompts, written, exercises, strict=True):
            end = next(i for i, token in enumerate(row) if token in dialect.stop_token_ids)
            parsed = dialect.parse(prompt + row[: end + 1])
            assert row[end] == dialect.tokens.return_
            assert not parsed.problems
            right += mode is Mode.HIGH and extract_answer(parsed.final_text) == exercise.latex
    assert right > len(exercises) / 2
