"""A replica in the real Serve deployment whose engine falls ill when a file in its model's directory says so."""

from __future__ import annotations

from pathlib import Path

from factory.engines.scripted import ScriptedEngine
from factory.engines.serve_replica import Replica


class MortalReplica(Replica):
    canary_s = keeper_s = 1.0
    pause_s = 0.5

    def _start(self, model, config, revision):
        if (Path(model) / "broken").exists():
            raise RuntimeError("Engine core initialization failed") from OSError("CUDA error: uncorrectable ECC error")
        return FrailEngine(Path(model), chunk_tokens=config.chunk_tokens)


class SlowReplica(Replica):
    """A request is under way for seconds, and costs nothing."""

    def _start(self, model, config, revision):
        return FrailEngine(Path(model), chunk_tokens=config.chunk_tokens, delay_s=0.1, capacity=config.max_num_seqs)


def answer(prompt, sampling):
    """What a healthy one says."""
    return [(sum(prompt) + 3 * k) % 250 for k in range(sampling.max_tokens)]


class FrailEngine(ScriptedEngine):
    """`poisoned`: from now on other tokens; `silent`: it owes tokens forever; `dead`: its core has died."""

    def __init__(self, directory, **options):
        self._directory = directory
        super().__init__(self._say, **options)

    def _say(self, prompt, sampling):
        poison = [100] if (self._directory / "poisoned").exists() else []
        return answer([*prompt, *poison], sampling)

    @property
    def dead(self):
        return (self._directory / "dead").exists()

    @property
    def silent_s(self):
        return 1e9 if (self._directory / "silent").exists() else 0.0
