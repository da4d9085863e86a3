"""From measured costs to 20M samples on 500 GPU nodes: what each part would be asked for, and which gives first.

Demand follows from the likely figures of `factory/planning/figures.py`. Costs are those of the run that `scale.py` has
just made, and of the ledger and the plan of publishing over journal parts of real shape, measured here.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from factory.recipe import JournalSettings, Publish, Recipe
from factory.records import Mode, Origin, SampleKey, Trace, uid_of
from factory.stages.ledger import Ledger
from factory.store.index import FAR_EVERY_S, LISTING_SLACK_S, NEAR_SLACK_S
from factory.store.journal import stamp
from factory.store.kinds import DIRECTORIES
from factory.store.parts import encode_part, encode_row
from factory.store.plan import PARTITION_BYTES, make_plan
from factory.store.reader import READ_AHEAD
from factory.store.run import Run
from factory.views.nemotron import NemotronMath
from tests.bench import meters, simulated

SAMPLES = 20_000_000
NODES, GPUS_PER_NODE = 500, 8
TOKENS_PER_WORKER_S = (
    600 * 64
)  # chunks/s that Ray Serve's handles stream to one caller (docs/tuning.md), tokens a chunk
BYTES_PER_TOKEN = 9  # of a journaled row before compression: id, mask, and about four bytes of text
OWNERS_PER_PART = 64  # problems of one worker that have samples in one part
PARTS = 1500
S3_REQUEST_S = 0.05


@dataclass(frozen=True)
class Costs:
    """CPU seconds, each of one Python process."""

    ledger_part: float  # a new part taken in
    ledger_name: float  # a name listed again
    ledger_begin: float  # a call of `begin`
    plan_part: float  # a part read by the plan of publishing


def show(figures: dict[str, Any]) -> None:
    """The projection as a table: demand, capacity, and the share of it that is used; the highest gives first."""
    f = simulated.FIGURES
    costs = measure()
    solving = [row for row in figures["series"] if row["seconds"] <= figures["solve_s"] and row["samples"]]
    driver_ms = 1e3 * meters.slope(solving, "cpu driver", "samples") / 1e5
    tokens = SAMPLES * mean_tokens()
    tokens_s = NODES * GPUS_PER_NODE * f.output_tokens_per_gpu_s.likely * f.busy.likely
    seconds = tokens / tokens_s
    samples_s = SAMPLES / seconds
    problems = SAMPLES / simulated.SAMPLES_PER_PROBLEM
    workers = tokens_s / TOKENS_PER_WORKER_S
    journal = JournalSettings()
    flush_s = min(journal.part_age_s, journal.part_mb * 1e6 / (TOKENS_PER_WORKER_S * BYTES_PER_TOKEN))
    parts_s = 4 * workers / flush_s  # traces, turns, verdicts, rejects
    names_s = parts_s * (NEAR_SLACK_S + LISTING_SLACK_S / FAR_EVERY_S)  # listed again each second
    print(f"projection: {SAMPLES / 1e6:g}M samples of {mean_tokens():,.0f} tokens on {NODES} nodes of "
          f"{GPUS_PER_NODE} GPUs ({tokens_s / 1e6:.1f}M tokens/s): {seconds / 3600:.1f} h, {samples_s:,.0f} samples/s, "
          f"{problems / seconds:,.1f} problems/s, {workers:,.0f} program workers")  # fmt: skip
    print(f"journal: a flush every {flush_s:.0f} s and worker, {60 * parts_s:,.0f} parts a minute, "
          f"{parts_s * seconds:,.0f} in all; {parts_s * seconds * 3:,.0f} PUT and GET, "
          f"{seconds * (5 + names_s / meters.LIST_PAGE):,.0f} LIST")  # fmt: skip
    rows = [
        ("driver", "CPU of Ray Data's loop", f"{driver_ms:.3f} ms a sample", samples_s * driver_ms / 1e3),
        ("ledger", "CPU: new parts", f"{1e3 * costs.ledger_part:.2f} ms a part", parts_s * costs.ledger_part),
        ("ledger", "CPU: names listed again", f"{1e6 * costs.ledger_name:.1f} us a name", names_s * costs.ledger_name),
        (
            "ledger",
            "CPU: begin",
            f"{1e3 * costs.ledger_begin:.2f} ms a problem",
            problems / seconds * costs.ledger_begin,
        ),
        (
            "ledger",
            "waiting for storage (16 readers)",
            f"{2 * S3_REQUEST_S:.2f} s a part",
            parts_s * 2 * S3_REQUEST_S / 16,
        ),
        (
            "ledger",
            "waiting for LIST pages",
            f"{S3_REQUEST_S:.2f} s a page",
            (5 + names_s / meters.LIST_PAGE) * S3_REQUEST_S,
        ),
    ]
    print(f"{'part':8} {'what':34} {'measured':>22} {'of one process':>15} {'full at':>12}")
    for part, what, cost, used in sorted(rows, key=lambda row: -row[3]):
        print(f"{part:8} {what:34} {cost:>22} {used:>14.1%} {NODES / used if used > 0 else 0:>8,.0f} nodes")
    _publishing(costs, parts_s * seconds, tokens)
    for part in ("driver", "ledger"):
        grown = meters.slope(solving, part, "samples") * SAMPLES / 1e5
        print(f"memory of the {part} at the end, if it grew on as in the second half here: +{grown:,.0f} MiB")


def mean_tokens() -> float:
    """Generated tokens of a sample, over problems that stay (48 samples) and too-easy ones (32, high and low)."""
    f = simulated.FIGURES
    of = {mode: (f.tokens.of(mode, True).likely + f.tokens.of(mode, False).likely) / 2 for mode in Mode}
    easy = f.too_easy.likely
    stay = 16 * sum(of.values())
    leave = 16 * (of[Mode.HIGH] + of[Mode.LOW]) * f.easy_length.likely
    return ((1 - easy) * stay + easy * leave) / simulated.SAMPLES_PER_PROBLEM


def measure() -> Costs:
    """The ledger and the plan over `PARTS` parts with as many owners as real ones have."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe.model_validate({"name": "p", "sources": [{"path": "x"}], "teacher": {"model": "m"}})
        run = Run.open(folder, recipe)
        ledger = Ledger(run.uri)
        ledger.counts()
        now = time.time()
        template = encode_part(Trace, [encode_row(_trace(f"p{n}")) for n in range(OWNERS_PER_PART)], run.fingerprint)
        for number in range(PARTS):
            run.store.write(_name(Trace, now - 90 + number / PARTS), template.to_pybytes())
        index = ledger._index
        part = _cpu(index.refresh) / PARTS
        name = min(_cpu(index.refresh) for _ in range(3)) / PARTS
        begin = _cpu(lambda: [ledger.begin(f"new{n}") for n in range(500)]) / 500
        plan = _cpu(lambda: make_plan(run, Publish(), NemotronMath(), PARTITION_BYTES)) / PARTS
        return Costs(part, name, begin, plan)


def _publishing(costs: Costs, parts: float, tokens: float) -> None:
    partitions = tokens * BYTES_PER_TOKEN / PARTITION_BYTES
    reads = parts * min(partitions, OWNERS_PER_PART)
    print(
        f"publish: plan {parts * costs.plan_part / 60:,.0f} min of one process's CPU "
        f"({1e3 * costs.plan_part:.2f} ms a part); {partitions:,.0f} partitions, which open {reads / 1e6:,.0f}M parts "
        f"({2 * reads / 1e6:,.0f}M GET, {2 * reads * S3_REQUEST_S / READ_AHEAD / 3600:,.0f} h of one task's waiting)"
    )


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _name(kind: type, moment: float) -> str:
    return f"{DIRECTORIES[kind]}{stamp(moment)}-solve-{uuid.uuid4().hex[:8]}-000001-{uuid.uuid4().hex[:8]}.parquet"


def _trace(owner: str) -> Trace:
    tokens = list(range(200))
    key = SampleKey(problem_id=owner, mode=Mode.HIGH, tool=False, sample=0)
    return Trace(
        problem_id=owner,
        mode=key.mode,
        tool=key.tool,
        sample=key.sample,
        uid=uid_of(key, tokens),
        token_ids=tokens,
        mask=[Origin.GENERATED] * len(tokens),
        messages=[],
        answer="1",
        finish_reason="stop",
    )
