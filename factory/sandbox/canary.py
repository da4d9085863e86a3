"""Prove the isolation before any model-written code runs: a canary session attacks, and what gets through is missing.

Effects are probed, not versions of the kernel: a kernel may report a feature and lack a part of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from factory import recipe
from factory.errors import FactoryError
from factory.sandbox import inside
from factory.sandbox.cell import Bounds, CellRun
from factory.sandbox.launcher import Zygote
from factory.sandbox.process import Process

_PROBE = Path(inside.__file__).with_name("probe.py")
_MASKED_LOOP = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
sum(range(10**15))
"""
_DEADLINES_S = (0.05, 0.5, 5.0)

# Effect -> (what it keeps code from, where it comes from, how to get it).
_KNOWN = {
    "files": ("files outside the scratch folder", "Landlock", "Linux 5.13 or newer with `landlock` in its lsm= list"),
    "metadata": ("owners, modes, times of files", "seccomp", "a kernel and container that allow seccomp filters"),
    "network": ("sockets of every family", "seccomp", "a kernel and container that allow seccomp filters"),
    "exec": ("child processes and other programs", "seccomp", "a kernel and container that allow seccomp filters"),
    "signals": ("signals to others", "seccomp, Landlock", "a kernel and container that allow seccomp filters"),
    "processes": ("memory, limits and /proc of others", "seccomp, Landlock", "both seccomp filters and Landlock"),
    "environment": ("variables of the actor", "exec with a list of variables", "report it: this should not happen"),
    "privileges": ("capabilities and higher limits", "capset, rlimits", "a container that allows capset(2)"),
    "memory": ("more memory than the budget", "RLIMIT_AS", "a container that allows setrlimit(2)"),
    "disk": ("more scratch space than the budget", "RLIMIT_FSIZE, watchdog", "a container that allows setrlimit(2)"),
    "hard_kill": ("running on after the deadline", "pidfd, SIGKILL", "Linux 5.3 or newer"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that isolation must achieve; `leaks` names the attacks that got through (none: it holds)."""

    name: str
    leaks: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.leaks

    @property
    def keeps_from(self) -> str:
        return _KNOWN[self.name][0]

    @property
    def layer(self) -> str:
        return _KNOWN[self.name][1]

    @property
    def remedy(self) -> str:
        return _KNOWN[self.name][2]


async def probe(zygote: Zygote, config: recipe.SandboxSettings) -> list[Effect]:
    """Attack from a session of `zygote`. Raises `FactoryError` if the canary can't even run."""
    planted = zygote.plant("canary", "planted")
    head = f"planted, memory_mb, scratch_mb = {planted!r}, {config.memory_mb}, {config.scratch_mb}\n"
    process = await zygote.open(0)
    try:
        attack = await CellRun(process, 1, Bounds(60.0, config.scratch_mb, 100_000)).run(head + _PROBE.read_text())
        if attack.status != "ok":
            raise FactoryError("the sandbox's canary could not run", why=attack.stderr.strip() or attack.status)
        leaks = json.loads(attack.stdout)
        stubborn = await _hard_killed(process, config)
    finally:
        await process.end()
    leaks["hard_kill"] = [] if stubborn and not process.alive else ["a loop in C with all signals masked"]
    return [Effect(name, tuple(leaks[name])) for name in _KNOWN]


async def _hard_killed(process: Process, config: recipe.SandboxSettings) -> bool:
    """Whether a cell that no signal stops loses its state at its deadline.

    On a busy machine a short deadline may come before the cell has masked a single signal; it then keeps its state, as
    it should, and says nothing: so it is tried again with a longer one.
    """
    for number, deadline_s in enumerate(_DEADLINES_S, start=2):
        bounds = Bounds(deadline_s, config.scratch_mb, 1000, grace_s=0.05)
        if (await CellRun(process, number, bounds).run(_MASKED_LOOP)).state_lost:
            return True
    return False


def insist(effects: list[Effect], config: recipe.SandboxSettings) -> None:
    """Raise `FactoryError` where an effect is missing, unless the recipe claims an outside measure in words."""
    missing = [effect for effect in effects if not effect.holds]
    if not missing or config.if_missing == "external":
        return
    listed = "; ".join(f"{e.name} ({', '.join(e.leaks)})" for e in missing)
    needs = "; ".join(dict.fromkeys(f"{e.name}: {e.remedy}" for e in missing))
    raise FactoryError(
        "this machine does not isolate model-written code",
        why=f"these attacks got through: {listed}",
        remedy=f"provide {needs}. Or state in the recipe what stands in for it: sandbox.if_missing=external and "
        "sandbox.external_claim='...'",
    )
