"""What a run under fire cost, as a table: kills by kind, work done twice, seconds lost."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.account import Account
from tests.chaos.killer import PUBLISHING, Havoc
from tests.chaos.targets import WEIGHTS
from tests.chaos.verdict import Judged


@dataclass(frozen=True, slots=True)
class Outcome:
    """One disturbed run beside the undisturbed one."""

    seed: int
    havoc: Havoc
    starts: int
    run: Account
    calm: Account
    calm_seconds: float
    judged: Judged


def render(outcome: Outcome) -> str:
    """The table for a terminal."""
    havoc, run = outcome.havoc, outcome.run
    kinds = [kind for kind in [*WEIGHTS, PUBLISHING] if havoc.killed[kind]]
    generated = sum(trace.n_generated_tokens for trace in run.traces)
    by_engines = sum(trace.n_regenerated_tokens for trace in run.traces)
    by_samples = sum(trace.n_generated_tokens for trace in run.copies)
    lost = havoc.seconds - outcome.calm_seconds
    rows: list[tuple[str, str]] = [
        (f"seed {outcome.seed}", "kills"),
        *((kind, f"{havoc.killed[kind]:,}") for kind in kinds),
        ("all kinds", f"{havoc.killed.total():,}"),
        ("", ""),
        ("rows read, and problems found in threads", f"{len(run.entered):,}"),
        ("samples finished", f"{len(run.keys):,}"),
        ("samples published", f"{len(run.published):,}"),
        ("samples regenerated", f"{len(run.copies):,}"),
        ("threads curated", f"{len({thread.thread_id for thread in run.curated}):,}"),
        ("questions of curation asked again", f"{run.asked_again:,}"),
        ("tokens generated", f"{generated:,}"),
        (
            "tokens generated twice",
            f"{by_engines + by_samples:,} ({(by_engines + by_samples) / max(generated, 1):.1%})",
        ),
        ("  at most, as engines died", f"{by_engines:,}"),
        ("  in samples regenerated", f"{by_samples:,}"),
        ("problems told of a lost interpreter", f"{len(outcome.judged.told):,}"),
        ("problems with a sample that rounding turned", f"{len(outcome.judged.rounded):,}"),
        ("samples compared with the undisturbed run", f"{outcome.judged.compared:,}"),
        ("driver starts", f"{outcome.starts:,}"),
        ("seconds", f"{havoc.seconds:,.0f}"),
        ("seconds of the undisturbed run", f"{outcome.calm_seconds:,.0f}"),
        ("seconds lost", f"{lost:,.0f} ({lost / max(havoc.killed.total(), 1):.1f} a kill)"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value:>14}".rstrip() for name, value in rows)
