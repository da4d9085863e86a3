"""When to kill what: a plan drawn from a seed, carried out as the run makes progress, so that the run always ends.

The n-th of N kills is due once about n/N of the samples of an undisturbed run are in storage, and at once where the
run is already further. So kills fall close together while there is work and never hold it up forever. Curation, the
search for near-duplicates and decontamination may be over before the first sample: their workers are killed as soon as
they are seen. One more kill is always the driver's, once every problem has ended: it then publishes, or takes its
services down.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from factory.errors import FactoryError
from factory.store.index import JournalIndex
from factory.store.run import Run
from tests.chaos.targets import WEIGHTS, Scene

PAUSE_S = (0.1, 1.5)  # between two kills, at least
STALLED_S = 900.0  # without a new sample or a finished problem the run counts as stuck
LOOK_S = 0.25
LAST_KILL_AT = 0.85  # of the samples
OPENING = ("curating worker", "near-duplicates worker", "decontamination worker")
PUBLISHING = "driver, publishing"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a run is in storage: journaled samples (copies included), and problems that have ended."""

    samples: int = 0
    finished: int = 0


@dataclass(slots=True)
class Havoc:
    """What was done to a run, and how the run came out of it."""

    killed: Counter[str] = field(default_factory=Counter)
    log: list[tuple[float, str]] = field(default_factory=list)  # seconds since the start, what was killed
    extent: Extent = Extent()
    seconds: float = 0.0
    stuck: str = ""


def plan(seed: int, kills: int, kinds: list[str]) -> list[str]:
    """`kills` kinds in the order of their death: each kind once as far as it goes, then by weight."""
    dice = random.Random(seed)
    turns = dice.sample(kinds, len(kinds))[:kills]
    turns += dice.choices(kinds, [WEIGHTS[kind] for kind in kinds], k=kills - len(turns))
    dice.shuffle(turns)
    return turns


def disturb(scene: Scene, turns: list[str], calm: Extent, say: Callable[[str], None]) -> Havoc:
    """Run the driver to its end, killing as planned. `calm` is what an undisturbed run comes to."""
    dice, havoc, waiting = random.Random("".join(turns)), Havoc(), deque(turns)
    progress = Progress(scene.uri)
    started = next_kill = time.monotonic()
    scene.driver.start()
    while not scene.driver.done():
        time.sleep(LOOK_S)
        progress.look()
        now = time.monotonic()
        kind: str | None = None
        if turns and progress.extent.finished >= calm.finished and not havoc.killed[PUBLISHING]:
            scene.kill("driver", dice)
            kind = PUBLISHING
        elif kind := next((kind for kind in OPENING if kind in waiting and scene.kill(kind, dice)), None):
            waiting.remove(kind)
        elif waiting and now >= next_kill and progress.extent.samples >= _due(havoc, turns, calm):
            kind = _kill_one(scene, waiting, dice)
            next_kill = time.monotonic() + dice.uniform(*PAUSE_S)
        if kind:
            havoc.killed[kind] += 1
            havoc.log.append((now - started, kind))
            say(f"[{now - started:6.1f} s] kill {havoc.killed.total():3}: {kind}")
        if progress.stalled_s > STALLED_S:
            havoc.stuck = f"nothing new in storage for {STALLED_S:.0f} s; the driver said: {scene.driver.last_words(5)}"
            break
    havoc.seconds, havoc.extent = time.monotonic() - started, progress.extent
    return havoc


def _due(havoc: Havoc, turns: list[str], calm: Extent) -> float:
    """Samples that must be in storage before the next kill; the last one comes before the work runs out."""
    return LAST_KILL_AT * calm.samples * (havoc.killed.total() + 1) / len(turns)


def _kill_one(scene: Scene, waiting: deque[str], dice: random.Random) -> str | None:
    """Kill the first of the waiting kinds of which one is alive, or any other if none is: it takes a turn."""
    kinds = scene.kinds()
    for kind in [*waiting, *dice.sample(kinds, len(kinds))]:
        if scene.kill(kind, dice):
            waiting.remove(kind if kind in waiting else waiting[-1])
            return kind
    return None


class Progress:
    """What storage holds of a run, looked at again and again."""

    def __init__(self, uri: str) -> None:
        self.extent = Extent()
        self._uri = uri
        self._index: JournalIndex | None = None
        self._moved = time.monotonic()

    @property
    def stalled_s(self) -> float:
        """Seconds since storage last gained a sample or an ending."""
        return time.monotonic() - self._moved

    def look(self) -> None:
        if self._index is None:
            try:
                self._index = Run.attach(self._uri).index(max_age_s=0.5)
            except FactoryError:
                return  # no run there yet
        counts = self._index.counts()
        now = Extent(counts.all_samples.rows, counts.finished)
        if now != self.extent:
            self.extent, self._moved = now, time.monotonic()
