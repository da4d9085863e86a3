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
        return FrailEngine(Path(model), config.chunk_tokens)


class FrailEngine(ScriptedEngine):
    """`poisoned`: from now on other tokens; `silent`: it owes tokens for ever; `dead`: its core has died."""

    def __init__(self, directory, chunk_tokens):
        self._directory = directory
        super().__init__(self._say, chunk_tokens=chunk_tokens)

    def _say(self, prompt, sampling):
        shift = 100 if (self._directory / "poisoned").exists() else 0
        return [(sum(prompt) + 3 * k + shift) % 250 for k in range(sampling.max_tokens)]

    @property
    def dead(self):
        return (self._directory / "dead").exists()

    @property
    def silent_s(self):
        return 1e9 if (self._directory / "silent").exists() else 0.0
