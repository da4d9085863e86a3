"""`make chaos`: kill every part of a run at random, start again what a user would start, and see that nothing is lost.

python -m tests.chaos [--seed 1] [--kills 50] [--help]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos import storage
from tests.chaos.account import account_of
from tests.chaos.cluster import Machines
from tests.chaos.driver import Driver, Size, command
from tests.chaos.killer import PUBLISHING, Extent, Havoc, disturb, plan
from tests.chaos.processes import adopt_orphans, end_all, left_after
from tests.chaos.storage import Place
from tests.chaos.table import Outcome, render
from tests.chaos.targets import OF_A_RUN, Scene
from tests.chaos.verdict import judge
from tests.s3.ceph import missing_programs

SERVICES_END_S = 90.0  # engines drain for a few seconds, and Serve looks every few more
CLUSTER_ENDS_S = 60.0
SHOWN = 5

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    seed: Annotated[int, typer.Option(help="What is killed, when, and which faults storage has, follow from it.")] = 1,
    kills: Annotated[int, typer.Option(min=1, help="Kills before the run ends; each kind comes at least once.")] = 50,
    problems: Annotated[
        int, typer.Option(min=1, max=65, help="Rows of the demo's table. More give more to kill.")
    ] = 50,
    threads: Annotated[int, typer.Option(min=0, max=48, help="Threads of the demo's forum.")] = 16,
    samples: Annotated[int, typer.Option(min=1, help="Samples per problem and mode, with Python and without.")] = 1,
    files: Annotated[bool, typer.Option("--files", help="Keep the runs in a directory: no S3 server to kill.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Leave logs, and runs under --files, in this empty folder.")] = None,
) -> None:
    """Kill every part of a run at random, and prove from storage that nothing was lost and nothing done twice.

    The demo's recipe runs twice on a Ray cluster of three nodes on this machine, with real engines, sandboxes and
    checkers, and a real S3 server behind a proxy that loses requests and answers: once undisturbed, once under fire.
    The workers of every stage, engine replicas and their cores, sandbox actors, zygotes, checkers, the ledger, raylets,
    the S3 server and the driver die by SIGKILL, engine cores stop for good (SIGSTOP), and a second driver comes by; the
    driver is started again with the same command. Then every promise is compared with what is in storage
    (`tests/chaos/verdict.py` says which and why), and a table tells what it cost.

    Status 0: every promise held. 1: at least one did not; the lines that say FAULT name what contradicts it.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty", param_hint="--keep")
    adopt_orphans()
    sound = False
    try:
        sound = _two_runs(folder, seed, kills, Size(problems, threads, samples), files)
        left = left_after(CLUSTER_ENDS_S)
        _report("no process is left when the cluster is down", left)
        sound = sound and not left
    finally:
        end_all()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if sound else 1)


def _two_runs(folder: Path, seed: int, kills: int, size: Size, files: bool) -> bool:
    """The undisturbed run, the one under fire, the judgement; whether every promise was kept."""
    with _place(folder, seed, files) as place, Machines(folder / "ray") as machines:
        calm, fire = (
            Scene(machines, place, uri, Driver(command(uri, size), machines.address, folder / f"{name}.log"))
            for name in ("undisturbed", "under-fire")
            for uri in [f"{place.root}/{name}"]
        )
        quiet = _to_the_end(calm, [], Extent())
        print(
            f"{quiet.extent.samples} samples in {quiet.seconds:.0f} s undisturbed; now with {kills} kills", flush=True
        )
        place.make_trouble()
        havoc = _to_the_end(fire, plan(seed, kills, fire.kinds()), quiet.extent)
        services = left_after(SERVICES_END_S, lambda seen: any(is_one(seen) for is_one in OF_A_RUN))
        before, after = account_of(calm.uri), account_of(fire.uri)
        judged = judge(after, before)
        planned = havoc.killed.total() - havoc.killed[PUBLISHING]
        judged.check("as many kills as asked for", [] if planned == kills else [f"{planned} of {kills}"])
        judged.check("neither driver gave up by itself", calm.driver.gave_up + fire.driver.gave_up)
        judged.check("no service of the run is left when the driver has ended", services)
        print("\n" + render(Outcome(seed, havoc, fire.driver.starts, after, before, quiet.seconds, judged)) + "\n")
        for what, against in judged.checks.items():
            _report(what, against)
        return judged.sound


def _to_the_end(scene: Scene, turns: list[str], calm: Extent) -> Havoc:
    havoc = disturb(scene, turns, calm, lambda line: print(line, flush=True))
    if havoc.stuck:
        raise SystemExit(f"FAULT the run at {scene.uri} hangs: {havoc.stuck}")
    return havoc


def _place(folder: Path, seed: int, files: bool) -> AbstractContextManager[Place]:
    if files or (missing := missing_programs()):
        why = "as asked" if files else f"not installed: {', '.join(missing)}"
        print(f"no S3 server will be killed ({why}); the runs live in a directory", flush=True)
        return storage.directory(folder)
    return storage.s3(folder, seed)


def _report(what: str, against: Sequence[object]) -> None:
    """One line a check; under it the first few things that contradict it."""
    print(f"{'FAULT' if against else 'ok':<6}{what}")
    for example in against[:SHOWN]:
        print(f"{'':<6}  {example}")
    if len(against) > SHOWN:
        print(f"{'':<6}  and {len(against) - SHOWN} more")


if __name__ == "__main__":
    app()
