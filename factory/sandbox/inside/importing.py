"""What a session can import: the standard library and the packages that the recipe names, with what they require.

The rest of the interpreter's site-packages is neither importable nor readable: what code finds in a session is part of
the recipe, not of the machine. Names in site-packages stay visible, because the import system lists that folder.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType

from factory.sandbox.inside.privileges import Trees


def tops_of(distributions: Sequence[str]) -> set[str]:
    """Top-level names in site-packages of these distributions and of all that they require, where installed."""
    tops: set[str] = set()
    seen: set[str] = set()
    pending = list(distributions)
    while pending:
        name = canonical_name(pending.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        tops.update(file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__"))
        required = (line for line in found.requires or [] if "extra ==" not in line)
        pending += [match[0] for line in required if (match := re.match(r"[\w.-]+", line))]
    return tops


def canonical_name(distribution: str) -> str:
    """The spelling under which package indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def trees_for(tops: set[str]) -> Trees:
    """The files that a session may read: interpreter, shared libraries, time zones and the named packages."""
    paths = sysconfig.get_paths()
    sites = sorted({paths["purelib"], paths["platlib"]})
    system = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache"]
    interpreter = [f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/lib", paths["stdlib"]]
    packages = [f"{site}/{top}" for site in sites for top in sorted(tops)]
    devices = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]
    return Trees(readable=_outermost([*system, *interpreter, *packages]), listable=sites, devices=devices)


def _outermost(paths: list[str]) -> list[str]:
    """Real paths, without those that are missing or lie below another: each costs every session a rule."""
    real = sorted({os.path.realpath(path) for path in paths if os.path.exists(path)})
    return [path for path in real if not any(path.startswith(f"{other}/") for other in real)]


def hide_the_project(tops: Sequence[str]) -> None:
    """Make nothing but the standard library and these top-level names importable, and forget our own modules."""
    paths = sysconfig.get_paths()
    names = frozenset(top.partition(".")[0] for top in tops) | sys.stdlib_module_names
    sys.path[:] = [p for p in sys.path if p.startswith((paths["stdlib"], paths["purelib"], paths["platlib"]))]
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _NamedPackages(names)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("factory", "__mp_main__")]:
        del sys.modules[name]


class _NamedPackages:
    """The usual path finder, for the named top-level packages only: others are not found, as if not installed."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and name not in self._names:
            return PathFinder.find_spec(name, [""], target)  # a module that a cell wrote itself
        return PathFinder.find_spec(name, path, target)

    def invalidate_caches(self) -> None:
        PathFinder.invalidate_caches()
