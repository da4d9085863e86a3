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
# # Explore a dataset
#
# What a run published: its funnel, how long traces are, how often they are right, how they use Python, and one problem
# in every mode. Set `RUN` to a run's `--out`, a directory or `s3://...`; published files are read lazily, so this works
# on a laptop for a large run, too.

# %%
import os
from collections import Counter

import polars as pl
from IPython.display import HTML

from factory.report import charts, plots, sections
from factory.report.example import example
from factory.report.figures import bins, edge
from factory.report.gather import gather
from factory.report.html import fragment
from factory.report.html import plots as side_by_side
from factory.store.manifest import latest, load
from factory.store.run import Run

RUN = os.environ.get("RUN", "out/demo")
run = Run.attach(RUN)
manifest = latest(run.store)
traces = pl.scan_parquet(load(RUN), hive_partitioning=False)
print(f"{run.recipe['name']}, version {manifest.version}: {manifest.report.published:,} traces")

# %% [markdown]
# ## Where every row went

# %%
found = gather(RUN)
HTML(sections.funnel(found.stages, running=not found.finished).body)

# %%
HTML(sections.rejects(found.rejects, found.stages).body)

# %% [markdown]
# ## What is published
#
# A trace is one row: `messages` to read, `token_ids` with `mask` to train on.

# %%
mode, tool, tokens = pl.col("reasoning_mode"), pl.col("with_tool"), pl.col("n_generated_tokens")
by_mode = traces.group_by(mode, tool).agg(
    pl.len().alias("traces"),
    pl.col("problem_id").n_unique().alias("problems"),
    tokens.mean().round(0).alias("mean tokens"),
    tokens.median().alias("median"),
    tokens.quantile(0.95).alias("95 %"),
)
by_mode.sort("reasoning_mode", "with_tool").collect()

# %% [markdown]
# ## Lengths
#
# Higher effort writes longer; whether Python makes a trace shorter is worth a look in each mode.

# %%
lengths = traces.select(mode, tool, tokens).collect()
by_heading = {
    (m, t): {edge(b): n for b, n in Counter(bins(group["n_generated_tokens"].to_numpy()).tolist()).items()}
    for (m, t), group in lengths.group_by("reasoning_mode", "with_tool")
}
by_heading = {heading: by_heading[heading] for heading in found.traces.headings() if heading in by_heading}
HTML(charts.length_shares(by_heading, "Published traces up to a length", "generated tokens"))

# %% [markdown]
# ## Pass rates
#
# `metadata` holds the pass rate of the row's problem in all six regimes. A problem's rows agree on it, so one is taken.

# %%
problems = traces.group_by("problem_id").agg(pl.col("metadata").first(), pl.col("difficulty").first()).collect()
regimes = problems["metadata"].struct
drawn = []
for name in reversed(regimes.fields):  # high first
    rates = regimes.field(name)
    counted = Counter((row["pass"], row["count"]) for row in rates if row["count"])
    heading = (name.split("_")[1], name.endswith("with_tool"))
    drawn.append(charts.rate_histogram(counted, heading))
HTML(fragment(side_by_side(drawn)))

# %% [markdown]
# Does Python help? Each problem's pass rate with and without, in the same mode: the mean of the differences.

# %%
gains = []
for m in ("high", "medium", "low"):
    with_tool = regimes.field(f"reason_{m}_with_tool").struct.field("accuracy")
    without = regimes.field(f"reason_{m}_no_tool").struct.field("accuracy")
    gain = (with_tool - without).drop_nulls()
    if len(gain):
        error = (gain.std() or 0.0) / len(gain) ** 0.5
        gains.append({"mode": m, "problems": len(gain), "gain": gain.mean(), "standard error": error})
pl.DataFrame(gains)

# %% [markdown]
# ## Tool use
#
# `tool_call_records` says what ran and how it ended. Traces that survive an error are worth reading: they show repair.

# %%
HTML(fragment(sections.tools(found.traces).body))

# %%
calls = traces.filter(tool).select("uid", mode, "tool_call_records").explode("tool_call_records")
calls = calls.drop_nulls("tool_call_records").unnest("tool_call_records")
modules = calls.select(pl.col("code").str.extract_all(r"(?m)^\s*(?:from|import)\s+([A-Za-z_]+)").alias("module"))
modules = modules.explode("module").drop_nulls().select(pl.col("module").str.split(" ").list.last())
modules.group_by("module").agg(pl.len().alias("cells")).sort("cells", descending=True).limit(10).collect()

# %%
errors = calls.filter(pl.col("status") != "ok").select("reasoning_mode", "status", "code", "stderr").limit(3).collect()
for row in errors.iter_rows(named=True):
    print(f"[{row['reasoning_mode']}, {row['status']}]\n{row['code'][:400]}\n--> {row['stderr'][-300:]}\n")

# %% [markdown]
# ## One problem, side by side
#
# A trace of each mode and tool from the journal: a right one if there is one.

# %%
shown = example(run.reader())
HTML(fragment(sections.side_by_side(shown).body))

# %% [markdown]
# ## Lengths of right and wrong samples
#
# Published traces are right. The journal has the wrong ones too: a trace that goes on for long is less often right.

# %%
HTML(charts.right_by_length(found.verdicts.judged, found.traces.headings()))

# %%
HTML(
    plots.bars(
        "Published traces by licence",
        [plots.Bar(name, [(n, plots.KEPT)], f"{n:,}") for (name,), n in manifest.report.table("license").items()],
    )
)
