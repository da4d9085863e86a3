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
# # Audit the verdicts
#
# A sample is published when its answer is judged equal to the problem's reference. How often is that wrong? First where
# rules, judge model and majority disagree, then a sheet to check by hand, and what the checks say of all samples.

# %%
import os
from pathlib import Path

import polars as pl
from IPython.display import HTML

from factory.inspection import disagreement, hand_check
from factory.records import Verdict
from factory.report import plots
from factory.store.run import Run

RUN = os.environ.get("RUN", "out/demo")
SHEET = Path(os.environ.get("SHEET", "hand_check.csv"))
run = Run.attach(RUN)

# %% [markdown]
# ## Who says what
#
# Each judged sample with the opinion of the rules (`symbolic`), of the judge model where it was asked, and of the vote.

# %%
agreement = disagreement.of_run(RUN)
print("\n".join(agreement.lines()))

# %%
pairs = [("symbolic", "judge"), ("symbolic", "majority"), ("judge", "majority")]
rows = []
for one, other in pairs:
    differ, both = agreement.between(one, other)
    rows.append(plots.Bar(f"{one} / {other}", [(differ, plots.REMOVED)], f"{differ:,} of {both:,}"))
HTML(plots.bars("Samples on which two opinions differ", rows, most=max(agreement.total, 1)))

# %% [markdown]
# ## The samples behind it

# %%
columns = [
    "problem.id",
    "problem.text",
    "reference",
    "original_reference",
    "changed_to_majority",
    "votes",
    "judgements",
]
journal = pl.concat([pl.from_arrow(found.table) for found in run.reader().counted(Verdict, columns)])
verdicts = journal.unnest("problem").unique("id", keep="first", maintain_order=True)
samples = verdicts.select("id", "text", "reference", "judgements").explode("judgements").unnest("judgements")
samples.group_by("method", "equal").agg(pl.len().alias("samples")).sort("samples", descending=True)

# %% [markdown]
# Where the majority and the verdict part. Either the reference is wrong and stayed, or two writings of one answer were
# not recognised: the second kind is a bug of the rules.

# %%
parted = samples.filter(pl.col("majority").is_not_null() & (pl.col("majority") != pl.col("equal")))
print(f"{len(parted):,} of {samples['majority'].count():,} samples that voted")
parted.select("id", "mode", "reference", "answer", "equal", "majority", "method").head(15)

# %% [markdown]
# References that the vote replaced: read them, as nobody wrote the new ones.

# %%
verdicts.filter("changed_to_majority").select("id", "text", "original_reference", "reference", "votes").head(15)

# %% [markdown]
# The answers most often judged wrong for one reference: a mistake of the rules shows as the same pair again and again.

# %%
wrong = samples.filter(pl.col("equal").eq(False) & pl.col("answer").is_not_null())
wrong.group_by("id", "reference", "answer").agg(pl.len().alias("samples")).sort("samples", descending=True).head(15)

# %% [markdown]
# ## A sheet to check by hand
#
# The same number of samples from each stratum. Open it in a spreadsheet, read problem, reference and answer, and write
# yes or no under `same`. A sheet that is there is never written over.

# %%
if not SHEET.exists():
    hand_check.write(SHEET, hand_check.draw(RUN, each=10))
sheet = hand_check.read(SHEET)
print(f"{SHEET}: {len(sheet)} samples, {sum(bool(row['same'].strip()) for row in sheet)} checked")
pl.DataFrame(sheet).select("same", "stratum", "problem", "reference", "answer", "verdict").head(8)

# %% [markdown]
# ## What the checks say
#
# The rate of each stratum with its 95 % interval, and of all samples, each stratum weighed by its size.

# %%
strata = hand_check.score(sheet)
pl.DataFrame([{"stratum": s.name, "samples": s.size, "checked": s.checked, "wrong": s.wrong, **s.rate} for s in strata])

# %%
rate, half, covered = hand_check.overall(strata)
if covered:
    print(
        f"{rate:.2%} of the verdicts are wrong, give or take {half:.2%}; the strata checked hold {covered:.0%} of all"
    )
else:
    print("nothing is checked yet: fill in the column `same` and run this again")
