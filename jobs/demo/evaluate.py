"""Measures a model directory on what was held back from its training.

    python -m jobs.demo.evaluate [--model DIR] [--n N] [--temperature T]
    python -m jobs.demo.evaluate --role curator|judge [--model DIR] [--n N]

The teacher's accuracy is per mode, with Python and without; that of curator and judge per prompt, greedily. Code that
the teacher writes runs in the factory's sandbox; an answer counts when its box holds the reference exactly.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.records import Mode
from factory.sandbox.local import LocalSandbox
from factory.sandbox.protocol import Session
from factory.verify.extract import extract_answer
from jobs.demo.corpus import CONFIGS, draw, user_prompt
from jobs.demo.evaluate_roles import CURATOR, ROLES, measure, print_table
from jobs.demo.families import Exercise
from jobs.demo.generate import generate

TEACHER = Path(__file__).with_name("teacher")
_MAX_CALLS = 4


@dataclass(slots=True)
class Attempt:
    """One trace under way. `ids` is the whole of it, `turn` where the model's current turn began."""

    exercise: Exercise
    mode: Mode
    tool: bool
    ids: list[int]
    turn: int
    calls: int = 0
    failed_cells: int = 0
    session: Session | None = None
    finished: bool = False


@dataclass(slots=True)
class Score:
    """What came of the attempts in one configuration."""

    right: int = 0
    total: int = 0
    boxed: int = 0
    calls: int = 0
    failed_cells: int = 0
    tokens: int = 0
    by_family: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Accuracy of the tiny models: the teacher per mode and tool, curator and judge per prompt."
    )
    parser.add_argument("--role", choices=["teacher", *ROLES], default="teacher")
    parser.add_argument("--model", type=Path, help="default: the model that the demo uses in this role")
    parser.add_argument("--n", type=int, default=100, help="problems, each tried in each configuration; or questions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=0.8, help="the default is that of the demo's recipe")
    parser.add_argument(
        "--max-tokens", type=int, default=750, help="length, prompt included, at which a trace is given up"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", type=int, default=0, help="print that many wrong traces of each configuration")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.role != "teacher":
        print_table(measure(args.model or CURATOR, args.role, args.n, args.seed, show=args.show), args.n)
        return
    args.model = args.model or TEACHER
    dialect = Harmony(HfTokenizer(args.model))
    model = LlamaForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    rng = random.Random(args.seed)
    exercises = [draw(rng, held_back=True) for _ in range(args.n)]
    attempts = []
    for mode, tool in CONFIGS:
        prompts = [dialect.prompt(user_prompt(e.text), mode=mode, tool=tool) for e in exercises]
        attempts += [Attempt(e, mode, tool, ids, len(ids)) for e, ids in zip(exercises, prompts, strict=True)]
    asyncio.run(_finish(attempts, model, dialect, args.temperature, args.max_tokens))
    print(f"{args.model}: {args.n} held-back problems, temperature {args.temperature}")
    _print_table(_scores(attempts, dialect, args.show))


async def _finish(
    attempts: list[Attempt], model: LlamaForCausalLM, dialect: Harmony, temperature: float, max_tokens: int
) -> None:
    """Generate turn after turn, with the cells run in between, until every trace has ended."""
    async with LocalSandbox() as sandbox:
        while active := [a for a in attempts if not a.finished]:
            active.sort(key=lambda a: (a.tool, a.mode, len(a.ids)))
            for start in range(0, len(active), 100):
                _generate(active[start : start + 100], model, dialect, temperature, max_tokens)
            await asyncio.gather(*(_answer(a, sandbox, dialect) for a in active))


def _generate(
    batch: list[Attempt], model: LlamaForCausalLM, dialect: Harmony, temperature: float, max_tokens: int
) -> None:
    ids = [attempt.ids for attempt in batch]
    written = generate(model, dialect, ids, max_length=max_tokens, temperature=temperature)
    for attempt, turn in zip(batch, written, strict=True):
        attempt.turn = len(attempt.ids)
        attempt.ids += turn
        attempt.finished = turn[-1] != dialect.tokens.call


async def _answer(attempt: Attempt, sandbox: LocalSandbox, dialect: Harmony) -> None:
    """Run the call that ended the turn, if one did."""
    code = dialect.turn(attempt.ids[attempt.turn :]).code
    if attempt.finished or code is None or attempt.calls == _MAX_CALLS:
        attempt.finished = True
    else:
        attempt.session = attempt.session or await sandbox.open()
        call = await attempt.session.run(code)
        attempt.calls += 1
        attempt.failed_cells += call.status != "ok"
        attempt.ids += dialect.tool_output(call)
    if attempt.finished and attempt.session is not None:
        await attempt.session.close()


def _scores(attempts: list[Attempt], dialect: Harmony, show: int) -> dict[tuple[Mode, bool], Score]:
    scores: dict[tuple[Mode, bool], Score] = defaultdict(Score)
    for attempt in attempts:
        score = scores[attempt.mode, attempt.tool]
        answer = extract_answer(dialect.parse(attempt.ids).final_text)
        right = answer == attempt.exercise.latex
        score.right += right
        score.total += 1
        score.boxed += answer is not None
        score.calls += attempt.calls
        score.failed_cells += attempt.failed_cells
        score.tokens += len(attempt.ids)
        score.by_family[attempt.exercise.family].append(right)
        if not right and score.total - score.right <= show:
            print(f"--- reference {attempt.exercise.latex}\n{dialect.tokenizer.decode(attempt.ids)}\n")
    return scores


def _print_table(scores: dict[tuple[Mode, bool], Score]) -> None:
    print(f"{'':16}{'right':>8}{'boxed':>8}{'calls':>8}{'failed':>8}{'tokens':>8}")
    for (mode, tool), s in scores.items():
        shares = f"{s.right / s.total:8.1%}{s.boxed / s.total:8.1%}"
        means = f"{s.calls / s.total:8.2f}{s.failed_cells / max(1, s.calls):8.1%}{s.tokens / s.total:8.0f}"
        print(f"{mode:8}{'python' if tool else 'none':8}{shares}{means}")
    print("\nright by family (%):" + "".join(f"{mode[:4]:>6}{'+py' if tool else '':3}" for mode, tool in scores))
    for family in sorted({f for s in scores.values() for f in s.by_family}):
        rates = [s.by_family[family] for s in scores.values()]
        print(f"{family:20}" + "".join(f"{100 * sum(r) / max(1, len(r)):6.0f}   " for r in rates))


if __name__ == "__main__":
    main()
