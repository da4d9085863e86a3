"""The views that `factory export` knows: a view of one's own is a file and a line here."""

from __future__ import annotations

import difflib
from typing import Any

from factory.errors import FactoryError
from factory.settings import override, validate
from factory.views.packed import Packed
from factory.views.pairs import Pairs
from factory.views.reward_groups import RewardGroups
from factory.views.rl_prompts import RlPrompts
from factory.views.selection_groups import SelectionGroups
from factory.views.sft import Sft
from factory.views.verifier import Verifier
from factory.views.view import Options, View

VIEWS: dict[str, View[Any]] = {
    "sft": Sft(),
    "packed": Packed(),
    "rl_prompts": RlPrompts(),
    "pairs": Pairs(),
    "reward_groups": RewardGroups(),
    "verifier": Verifier(),
    "selection_groups": SelectionGroups(),
}


def named(name: str) -> View[Any]:
    """A view by its name. Raises `FactoryError`, with the nearest name, if there is none."""
    if name in VIEWS:
        return VIEWS[name]
    near = difflib.get_close_matches(name, VIEWS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(VIEWS)}"
    raise FactoryError(f"there is no view named {name!r}", remedy=f"{hint} `factory export --list` says what each is")


def options_of(view: View[Any], given: list[str]) -> Options:
    """The view's options with `key=value` overrides. Raises `FactoryError` for unknown keys and bad values."""
    options: Options = validate(view.options, override({}, given), f"options of {view.name}")
    return options
