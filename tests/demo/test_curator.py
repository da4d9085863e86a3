"""The shipped curator: it is given what it was trained on, and does each of its tasks on threads held back from it."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import LlamaForCausalLM

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.programs import curation
from factory.programs.curate import PROMPTS
from factory.prompts.loader import prompt
from factory.records import Mode, Origin
from jobs.demo import curator_tasks, evaluate_roles, judge_tasks
from jobs.demo.corpus import examples
from jobs.demo.curriculum import curriculum
from jobs.demo.evaluate_roles import CURATOR, ROLES, measure, questions, read
from jobs.demo.model_dir import chat_template
from jobs.demo.tokenizer import CONTROL, prompt_segments

NAMES = [name for names in ROLES.values() for name in names]
FLOOR = 0.9
"""Below what was measured, as few questions are asked here: `python -m jobs.demo.evaluate --role curator`."""


@pytest.fixture(scope="module")
def dialect() -> Harmony:
    return Harmony(HfTokenizer(CURATOR, required=CONTROL))


def test_the_directory_is_small_and_complete() -> None:
    files = {file.name: file.stat().st_size for file in CURATOR.iterdir()}
    assert {
        "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    } <= files.keys()  # fmt: skip
    assert sum(files.values()) < 5e6
    assert (CURATOR / "chat_template.jinja").read_text(encoding="utf-8") == chat_template()


def test_the_constant_text_of_every_prompt_is_a_few_tokens(dialect: Harmony) -> None:
    """Also a guard: a prompt that is worded again leaves the shipped tokenizer behind, and fails here."""
    for name in NAMES:
        bare = prompt(name).render(dict.fromkeys(prompt(name).variables, ""))
        assert len(dialect.tokenizer.encode(bare)) <= 5, f"train the curator again, or patch its tokenizer: {name}"


@pytest.mark.parametrize("text", ["unusual: 数学 é ∑ 🙂\t tabs\r\n and   spaces ", "def f(x):\n    return x", *CONTROL])
def test_any_text_comes_back(dialect: Harmony, text: str) -> None:
    ids = dialect.tokenizer.encode(text)
    assert dialect.tokenizer.decode(ids) == text
    assert not set(ids) & set(dialect.tokenizer.control.values())


def test_examples_are_what_the_programs_ask_and_the_reply_alone_is_learnt(dialect: Harmony) -> None:
    rng = random.Random(1)
    for name in PROMPTS:
        for _ in range(10):
            asked = curator_tasks.question(name, rng, apart=False)
            made = curator_tasks.rendered(dialect, asked)
            given = dialect.prompt(prompt(name).render(asked[1]), mode=Mode.LOW, tool=False)
            assert made.ids[: len(given)] == given
            assert made.learn == [origin == Origin.GENERATED for origin in made.origin]
            assert dialect.parse(made.ids).final_text == asked[2]
            assert made.ids[-1] == dialect.tokens.return_


@pytest.mark.parametrize("name", NAMES)
def test_the_programs_can_read_every_right_reply(name: str) -> None:
    asked = questions(name, 40, seed=1)
    replies = {str(read(name, reply)) for _, _, reply in asked}
    assert len(replies) > 1
    assert not any("malformed=True" in reply or reply.startswith("(True, [") for reply in replies)


def test_an_answer_among_several_problems_is_found_step_by_step() -> None:
    """Each step copies what stands above it, down to the sentence that holds the answer."""
    rng = random.Random(3)
    thought = 0
    for _ in range(100):
        _, given, reply = curator_tasks.question("extract_answer", rng, apart=False, crowded=True)
        *listed, asked, sentence, answer = reply.splitlines()
        assert asked.removeprefix("asked: ") in listed
        assert given["problem"].endswith(asked.removeprefix("asked: ").rpartition(" = ")[0])
        assert (sentence == "nothing") == (answer == "Answer: not found")
        if sentence != "nothing":
            assert sentence in given["discussion"]
            assert curation.answer(answer).value in sentence
            assert asked.rpartition(" = ")[2].lower() in sentence.lower()
            thought += 1
    assert thought > 30


def test_pairs_of_answers_and_of_problems_are_balanced() -> None:
    rng = random.Random(2)
    for ask in (judge_tasks.judgement, judge_tasks.pair):
        verdicts = [ask(rng, apart=False)[2].endswith("Yes") for _ in range(300)]
        assert 0.3 < sum(verdicts) / 300 < 0.7


def test_the_curriculum_covers_every_prompt_of_both_roles(dialect: Harmony) -> None:
    stream = examples(3, dialect, curriculum("curator").tasks)
    seen = {token for drawn, _ in zip(stream, range(400), strict=False) for token in drawn.ids}
    for name in NAMES:
        for segment in filter(None, prompt_segments(name)):
            assert set(dialect.tokenizer.encode(segment)) <= seen, name


def test_it_plays_its_roles_on_what_was_held_back() -> None:
    torch.set_num_threads(1)
    shares = {name: share for role in ROLES for name, share in measure(CURATOR, role, 12, seed=5).items()}
    assert min(shares.values()) >= FLOOR, shares
    assert sum(shares.values()) / len(shares) >= 0.9, shares
    model = LlamaForCausalLM.from_pretrained(CURATOR, dtype=torch.float32)
    assert model.config.max_position_embeddings > evaluate_roles.MAX_LENGTH
