"""Trains one of the tiny models and writes it as a model directory that `vllm serve` and transformers load.

    python -m jobs.demo.train --curriculum teacher|curator --out DIR [--steps N] [--minutes M] [--seed S] [--resume DIR]

Sequences are batched by length and only what the model is to write counts in the loss. A checkpoint is written as the
run goes on, so it can be stopped at any time. The shipped teacher took 2607 steps (15.4M tokens) in 50 minutes on two
shared cores: `--minutes 50 --seed 2`. The shipped curator took about 6400 steps (38M tokens) in an hour and a half, in
four legs joined by `--resume`: the judge's replies changed after the first, the weights of the tasks after the second,
and after the third the search for an answer among several problems came to be written down step by step.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch.multiprocessing.spawn import spawn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from transformers import LlamaConfig, LlamaForCausalLM

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from jobs.demo import model_dir
from jobs.demo.corpus import Example, examples
from jobs.demo.curriculum import Curriculum, curriculum

_WARM_UP = 60
_POOL = 64
"""Batches drawn at once, then sorted by length and shuffled."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train one of the demo's tiny models.")
    parser.add_argument("--curriculum", choices=["teacher", "curator"], default="teacher", help="what to teach")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after that time if it comes first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="model directory to go on from, with its tokenizer")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each; they share a step")
    parser.add_argument("--batch-tokens", type=int, default=6144, help="tokens of one step, padding included")
    parser.add_argument("--lr", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--save-every", type=int, default=250)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.resume:
        shutil.copytree(args.resume, args.out, dirs_exist_ok=True)
    else:
        lessons = curriculum(args.curriculum)
        model_dir.write_tokenizer(args.out, lessons.texts(args.seed), lessons.fixed)
    with tempfile.TemporaryDirectory() as folder:
        spawn(_worker, (args, f"{folder}/meeting"), nprocs=args.workers)


def _worker(rank: int, args: argparse.Namespace, meeting: str) -> None:
    """One of the processes that train together.

    They meet once a step, to average their gradients. Threads that met at every operation would wait for the slowest
    of them each time, which is slow wherever the machine has other work.
    """
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=args.workers)
    _train(rank, args)
    torch.distributed.destroy_process_group()


def _train(rank: int, args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    dialect = Harmony(HfTokenizer(args.out))
    resumed = LlamaForCausalLM.from_pretrained(args.resume, dtype=torch.float32) if args.resume else None
    lessons = curriculum(args.curriculum)
    model = resumed or LlamaForCausalLM(_config(dialect, lessons))
    objective = DistributedDataParallel(Objective(model))
    optimizers = _optimizers(model, args.lr)
    seed = args.seed * args.workers + rank
    batches = _batches(examples(seed, dialect, lessons.tasks), seed, args.batch_tokens // args.workers)
    started, seen, mean, progress = time.time(), 0, 0.0, 0.0
    for step, (ids, labels) in enumerate(batches, 1):
        loss = objective(ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = args.lr * min(step / _WARM_UP, _decay(progress))
            optimizer.step()
            optimizer.zero_grad()
        progress = _agreed(max(step / args.steps, (time.time() - started) / (60 * args.minutes)))
        seen += ids.numel() * args.workers
        mean = loss.item() if step == 1 else 0.95 * mean + 0.05 * loss.item()
        if rank == 0 and step % 25 == 0:
            print(
                f"step {step:5d}  loss {mean:.4f}  {seen / 1e6:.2f}M tokens  {time.time() - started:.0f} s", flush=True
            )
        if rank == 0 and (step % args.save_every == 0 or progress >= 1):
            model_dir.write_weights(args.out, model)
        if progress >= 1:
            break


def _agreed(progress: float) -> float:
    """The first worker's value: all must stop at the same step."""
    shared = torch.tensor(progress)
    torch.distributed.broadcast(shared, src=0)
    return float(shared)


class Objective(torch.nn.Module):
    """Mean cross entropy over the tokens to be learnt. Padding is on the right, so causal attention never sees it."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        learnt = wanted >= 0
        return functional.cross_entropy(self.model.lm_head(hidden[learnt]), wanted[learnt])


def _config(dialect: Harmony, lessons: Curriculum) -> LlamaConfig:
    control = dialect.tokenizer.control
    return LlamaConfig(
        vocab_size=-(-(max(control.values()) + 1) // 64) * 64,
        hidden_size=160,
        intermediate_size=416,
        num_hidden_layers=5,
        num_attention_heads=5,
        num_key_value_heads=5,
        head_dim=32,
        max_position_embeddings=lessons.positions,
        tie_word_embeddings=True,
        bos_token_id=control["<|endoftext|>"],
        eos_token_id=control["<|return|>"],
        pad_token_id=control["<|endoftext|>"],
        use_cache=True,
    )


def _optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the weight matrices (https://kellerjordan.github.io/posts/muon), AdamW for embeddings and norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _decay(progress: float) -> float:
    """Learning rate as a share of its peak: a cosine down to 2 %."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _batches(stream: Iterator[Example], seed: int, batch_tokens: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    rng = random.Random(seed)
    while True:
        pool = sorted(islice(stream, _POOL * batch_tokens // 140), key=lambda e: len(e.ids))
        batches = list(_cut(pool, batch_tokens))
        rng.shuffle(batches)
        yield from (_tensors(batch) for batch in batches)


def _cut(pool: list[Example], batch_tokens: int) -> Iterator[list[Example]]:
    batch: list[Example] = []
    for example in pool:
        if batch and (len(batch) + 1) * len(example.ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(example)
    yield batch


def _tensors(batch: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels, both (sequences, longest); a label is -100 where nothing is learnt."""
    longest = max(len(e.ids) for e in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        labels[row, : len(e.ids)] = torch.tensor(
            [i if learn else -100 for i, learn in zip(e.ids, e.learn, strict=True)]
        )
    return ids, labels


if __name__ == "__main__":
    main()
