# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plan a run
#
# What a recipe will take before money is spent: from a pilot run's own lengths and pass rates, at several sizes of
# cluster, and which figure matters most. `factory plan` prints the same numbers.

# %%
import os

import polars as pl
from IPython.display import HTML, display

from factory.planning import pilot
from factory.planning.estimate import ORDERS
from factory.planning.figures import PlanFigures, placeholders
from factory.planning.plan import plan, render
from factory.recipe import load
from factory.report import plots

RECIPE = os.environ.get("RECIPE", "jobs/recipes/nemotron_math.yaml")
PILOT = os.environ.get("RUN", "out/demo")  # a small finished run; its lengths are those of its own teacher
GPUS = [64, 256, 512]
PROBLEMS = 347_000
recipe = load(RECIPE)

# %% [markdown]
# ## From published figures alone

# %%
published = plan(recipe, GPUS, overrides=[f"problems={PROBLEMS}"])
print(render(published))

# %% [markdown]
# ## With what a pilot measured
#
# Everything that the pilot says replaces a default, with its 95 % interval: few problems make wide ranges.

# %%
measured = pilot.measure(PILOT, recipe)
piloted = plan(recipe, GPUS, overrides=[f"problems={PROBLEMS}"], pilot_uri=PILOT)
print("measured:", ", ".join(sorted(measured.figures)))
print("still placeholders:", ", ".join(placeholders(piloted.figures)))
print("\n".join(piloted.notes))

# %%
rows = []
for name in ("samples", "tokens out", "GPU-hours", *(f"hours at {n} GPUs" for n in GPUS), f"price at {GPUS[0]} GPUs"):
    for what, made in (("published figures", published), ("pilot", piloted)):
        for order in ORDERS:
            low, likely, high = made.quantities[order][name]
            rows.append({"quantity": name, "from": what, "order": order, "low": low, "likely": likely, "high": high})
with pl.Config(tbl_rows=40):
    display(pl.DataFrame(rows))

# %% [markdown]
# ## Hours against GPUs
#
# More machines shorten the run and change its price little, until starting engines weighs.

# %%
sizes = [2**n for n in range(3, 11)]
steps = plan(recipe, sizes, overrides=[f"problems={PROBLEMS}"]).quantities
series = [
    plots.Series(order, colour, [(float(n), steps[order][f"hours at {n} GPUs"][1]) for n in sizes], marked=True)
    for order, colour in zip(ORDERS, (plots.MODES["high"], plots.MODES["low"]), strict=True)
]
hours = [h for one in series for _, h in one.points]
axes = plots.logarithmic(8, 1024, "GPUs"), plots.logarithmic(min(hours), max(hours), "hours")
HTML(plots.lines("Hours by size of the cluster (likely)", series, *axes, width=760))

# %% [markdown]
# ## Which figure matters most
#
# One figure at a time to its low and to its high end, all others likely: how far the price moves. Measure the ones on
# top first.

# %%
order, fleet = recipe.solve.order, GPUS[0]


def leaves(values, path=""):
    """Dotted names of all ranges with their ends."""
    for name, value in values.items():
        if isinstance(value, dict):
            here = f"{path}{name}"
            yield from [(here, value)] if "likely" in value else leaves(value, f"{here}.")


def price(overrides):
    return plan(recipe, [fleet], overrides=[f"problems={PROBLEMS}", *overrides]).quantities[order][
        f"price at {fleet} GPUs"
    ][1]


usual = price([])
moves = []
for name, ends in leaves(PlanFigures().model_dump()):
    if ends["low"] < ends["high"]:
        low, high = (price([f"{name}={ends[end]}"]) for end in ("low", "high"))
        moves.append((abs(high - low), name, min(low, high), max(low, high)))
moves.sort(reverse=True)
HTML(
    plots.bars(
        f"Price at {fleet} GPUs, {order}: likely {plots.short(usual)}",
        [
            plots.Bar(
                name,
                [(low, plots.WAITING), (high - low, plots.MODES["high"])],
                f"{plots.short(low)} to {plots.short(high)}",
            )
            for _, name, low, high in moves[:14]
        ],
        width=900,
        names=230,
    )
)
