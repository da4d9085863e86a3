"""The kinds of things that die, and how to find a living one of each among our descendants.

Ray names a worker after what it runs (`ray::Ledger.counts`), vLLM its engine core; the rest is known by its command.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.chaos.cluster import Machines
from tests.chaos.driver import Driver
from tests.chaos.processes import Seen, descendants
from tests.chaos.storage import Place


def _actor(name: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.title.startswith("ray::") and name in seen.title


def _command(words: str) -> Callable[[Seen], bool]:
    return lambda seen: not seen.title.startswith("ray::") and words in seen.title


STOPPED = "engine core, stopped"

PROCESSES: Mapping[str, Callable[[Seen], bool]] = {
    "program worker": _actor("MapBatches(Solve)"),
    "curating worker": _actor("MapBatches(Curate)"),
    "near-duplicates worker": _actor("MapBatches(NearDuplicatesWorker)"),
    "decontamination worker": _actor("MapBatches(DecontaminateWorker)"),
    "engine replica": _actor("ServeReplica:"),
    "engine core": _command("VLLM::EngineCore"),
    STOPPED: _command("VLLM::EngineCore"),
    "sandbox actor": _actor("_SandboxActor"),
    "sandbox manager": _actor("_Manager"),
    "zygote": _command("factory.sandbox.inside.zygote"),
    "checker": _command("factory.verify.worker"),
    "ledger": _actor("Ledger"),
    "engine lease": _actor("Keeper"),
    "serve controller": _actor("ServeController"),
}
"""One SIGKILL each, but for the one that is stopped: SIGSTOP."""

OF_A_RUN = [matches for kind, matches in PROCESSES.items() if kind != "serve controller"]
"""What must be gone once the driver has ended: all but Serve's own controller, which serves the next run."""

WEIGHTS: Mapping[str, int] = {
    "program worker": 7,
    "curating worker": 0,
    "near-duplicates worker": 0,
    "decontamination worker": 0,
    "engine replica": 3,
    "engine core": 2,
    STOPPED: 1,
    "sandbox actor": 6,
    "sandbox manager": 2,
    "zygote": 7,
    "checker": 6,
    "ledger": 5,
    "engine lease": 1,
    "serve controller": 1,
    "raylet": 2,
    "S3 server": 4,
    "driver": 3,
    "second driver": 1,
}
"""How often each kind is drawn once all have had their turn. What takes an engine with it costs its start: seldom;
what comes before solving is soon over: once each. A second driver kills nothing, and must do no harm."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One run, and everything of it that can be killed."""

    machines: Machines
    place: Place
    uri: str
    driver: Driver

    def kinds(self) -> list[str]:
        return [kind for kind in WEIGHTS if kind != "S3 server" or self.place.server is not None]

    def kill(self, kind: str, dice: random.Random) -> bool:
        """Kill one of a kind, drawn by the dice; False if none is alive now."""
        match kind:
            case "driver":
                self.driver.kill()
            case "second driver":
                self.driver.meet_another()
            case "raylet":
                self.machines.lose_a_node(dice)
            case "S3 server":
                self.place.outage(dice)
            case _:
                return _kill_process(kind, dice)
        return True


def _kill_process(kind: str, dice: random.Random) -> bool:
    everything = descendants()
    of_kind = [seen for seen in everything if PROCESSES[kind](seen)]
    if kind == "zygote":  # its sessions are forks of it and look the same
        pids = {seen.pid for seen in of_kind}
        of_kind = [seen for seen in of_kind if seen.parent not in pids]
    if not of_kind:
        return False
    one = dice.choice(sorted(of_kind, key=lambda seen: seen.pid))
    return one.stop() if kind == STOPPED else one.kill()
