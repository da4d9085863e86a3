"""Report: how far a run is, the funnel, the page of a run, the dataset card, plots. Reads the store, changes nothing.

`page` assembles `sections` and `spending` from what `gather` read; `figures` sums up traces and verdicts column by
column (`columnar`), `contamination` the pairs; `charts` draws them with `plots`, for the page and for the `card`.
"""
