"""Measures the tiny curator and judge on held-back threads, answers and pairs: the share of right replies by prompt.

A reply is read as the programs read it. Extracted problems must be word for word those of the key, all of them; white
space does not count.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.programs import curation, pair_check
from factory.programs.curate import CLASSIFIERS
from factory.prompts.loader import prompt
from factory.records import Mode
from factory.verify import parse_judgement
from jobs.demo import curator_tasks, judge_tasks
from jobs.demo.generate import generate

CURATOR = Path(__file__).with_name("curator")
ROLES = {"curator": curator_tasks.PROMPTS, "judge": judge_tasks.PROMPTS}
MAX_LENGTH = 500
_BATCH = 50


def measure(model_dir: Path, role: str, n: int, seed: int, *, show: int = 0) -> dict[str, float]:
    """The share of right replies by prompt, over `n` held-back questions each. Prints the first `show` wrong ones."""
    dialect = Harmony(HfTokenizer(model_dir))
    model = LlamaForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    return {name: _measure(model, dialect, name, n, seed, show=show) for name in ROLES[role]}


def print_table(shares: dict[str, float], n: int) -> None:
    print(f"{'prompt':28}{'right':>8}   of {n} held-back questions")
    for name, share in shares.items():
        print(f"{name:28}{share:8.1%}")


def questions(name: str, n: int, seed: int) -> list[curator_tasks.Question]:
    """Held-back questions of one prompt, each with its right reply."""
    rng = random.Random(f"{name}/{seed}")
    ask = {"judge": judge_tasks.judgement, "pair_check": judge_tasks.pair}.get(name)
    draw = ask or (lambda rng, *, apart: curator_tasks.question(name, rng, apart=apart))
    return [draw(rng, apart=True) for _ in range(n)]


def _measure(model: LlamaForCausalLM, dialect: Harmony, name: str, n: int, seed: int, *, show: int) -> float:
    asked = questions(name, n, seed)
    prompts = [dialect.prompt(prompt(name).render(given), mode=Mode.LOW, tool=False) for _, given, _ in asked]
    order = sorted(range(n), key=lambda i: len(prompts[i]))
    right = 0
    for start in range(0, n, _BATCH):
        batch = order[start : start + _BATCH]
        written = generate(model, dialect, [prompts[i] for i in batch], max_length=MAX_LENGTH)
        for i, ids in zip(batch, written, strict=True):
            reply = dialect.parse(prompts[i] + ids).final_text
            fits = read(name, reply) == read(name, asked[i][2])
            right += fits
            if not fits and show > 0:
                show -= 1
                shown = "\n".join(f"[{key}] {value}" for key, value in asked[i][1].items())
                print(f"--- {name}\n{shown}\n[right] {asked[i][2]}\n[reply] {reply}\n")
    return right / n


def read(name: str, reply: str) -> object:
    """What the programs take from a reply."""
    readers: dict[str, Callable[[str], object]] = {
        "extract_problems": lambda text: [" ".join(found.split()) for found in curation.problems(text).value],
        "extract_answer": curation.answer,
        "convert_proof": curation.converted,
        "judge": parse_judgement,
        "pair_check": pair_check.parse,
    }
    if name in readers:
        malformed = name == "extract_problems" and curation.problems(reply).malformed
        return (malformed, readers[name](reply))
    classifier = next(c for c in CLASSIFIERS if c.prompt == name)
    return curation.says(reply, classifier.yes, classifier.no)
