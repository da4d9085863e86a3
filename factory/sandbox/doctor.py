"""`factory doctor`: what isolation this machine gives, effect by effect."""

from __future__ import annotations

import asyncio
import os
import platform

from factory import recipe
from factory.sandbox.canary import Effect
from factory.sandbox.inside import landlock
from factory.sandbox.local import LocalSandbox


def examine() -> tuple[str, bool]:
    """The table as text, and whether every effect holds. Raises `FactoryError` if no session can run at all."""
    effects = asyncio.run(_probe())
    head = f"Linux {platform.release()} on {os.uname().machine}, Landlock version {landlock.abi() or 'none'}\n\n"
    return head + table(effects), all(effect.holds for effect in effects)


def table(effects: list[Effect]) -> str:
    """One line per effect; what got through and what to do about it below a missing one."""
    lines = [f"{'effect':<12} {'holds':<6} {'keeps model-written code from':<36} by", "-" * 88]
    for effect in effects:
        verdict = "yes" if effect.holds else "NO"
        lines.append(f"{effect.name:<12} {verdict:<6} {effect.keeps_from:<36} {effect.layer}")
        if not effect.holds:
            lines.append(f"{'':<12} got through: {', '.join(effect.leaks)}")
            lines.append(f"{'':<12} needs: {effect.remedy}")
    return "\n".join(lines)


async def _probe() -> list[Effect]:
    config = recipe.SandboxSettings(if_missing="external", external_claim="only looking")
    async with LocalSandbox(config) as sandbox:
        return sandbox.effects
