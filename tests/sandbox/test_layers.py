"""Each layer of isolation earns its place: without it an attack gets through, with it none does.

The attacks are the canary's, which harm nothing if they succeed: they aim at a planted file and at the test's own
zygote.
"""

from __future__ import annotations

import signal

import pytest

from factory import recipe
from factory.errors import FactoryError
from factory.sandbox import launcher
from factory.sandbox.inside.privileges import LAYERS
from factory.sandbox.local import LocalSandbox
from factory.sandbox.process import Process
from tests.sandbox.support import EXTERNAL, descendants

WITHOUT = {
    ("landlock",): {"files"},
    ("seccomp",): {"metadata", "network", "exec", "signals", "processes"},
    ("rlimits",): {"memory", "disk"},
    ("landlock", "seccomp", "capabilities"): {"files", "network", "exec", "signals", "processes", "privileges"},
}


async def leaks(layers: tuple[str, ...] = LAYERS) -> dict[str, tuple[str, ...]]:
    async with LocalSandbox(EXTERNAL, layers=layers) as sandbox:
        return {effect.name: effect.leaks for effect in sandbox.effects if not effect.holds}


@pytest.mark.asyncio(loop_scope="session")
async def test_nothing_gets_through_all_layers(sandbox: LocalSandbox) -> None:
    assert len(sandbox.effects) == 11
    assert [effect for effect in sandbox.effects if not effect.holds] == []


@pytest.mark.parametrize("missing", WITHOUT, ids="+".join)
async def test_attacks_get_through_where_a_layer_is_missing(missing: tuple[str, ...]) -> None:
    found = await leaks(tuple(layer for layer in LAYERS if layer not in missing))
    assert found.keys() >= WITHOUT[missing]
    if "landlock" not in missing:
        assert "files" not in found
    if "rlimits" not in missing:
        assert "memory" not in found


async def test_a_variable_of_the_actor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(launcher._ENVIRONMENT, "AWS_SECRET_ACCESS_KEY", "secret")
    assert (await leaks()).keys() == {"environment"}


async def test_a_kill_that_can_be_ignored_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "kill", lambda self: self.signal(signal.SIGTERM))
    monkeypatch.setattr("factory.sandbox.process.EXIT_S", 0.2)
    monkeypatch.setattr("factory.sandbox.cell.EXIT_S", 0.2)
    assert (await leaks()).keys() == {"hard_kill"}


async def test_a_machine_too_busy_for_the_shortest_deadline_is_not_called_unsafe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cell that is stopped before it has masked a signal stops softly: that says nothing of what kills one."""
    monkeypatch.setattr("factory.sandbox.canary._DEADLINES_S", (1e-4, 1e-4, 1e-4, 5.0))
    assert await leaks() == {}


async def test_a_missing_effect_refuses_to_start() -> None:
    sandbox = LocalSandbox(recipe.SandboxSettings(), layers=("rlimits", "capabilities", "landlock"))
    before = descendants()
    with pytest.raises(FactoryError) as caught:
        async with sandbox:
            pass
    assert sandbox._root is None
    assert descendants() == before
    assert "TCP socket" in caught.value.why
    assert "network: a kernel and container that allow seccomp" in caught.value.remedy
    assert "external_claim" in caught.value.remedy


async def test_a_layer_that_fails_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zygote is told of a folder that it can't confine to: the session says so and runs nothing."""
    sandbox = LocalSandbox()
    await sandbox.start()
    try:
        assert sandbox._root is not None
        monkeypatch.setattr(sandbox._root, "folder", lambda: "/nonexistent/folder")
        with pytest.raises(FactoryError, match="could not be confined"):
            await sandbox.open()
    finally:
        await sandbox.close()
