"""A durable, elastic factory for mathematical reasoning traces.

Rooms, from the bottom up. Each knows only rooms that stand before it in this list, which a test checks:

    errors, settings, arrow, periodic: what all are made with
    records, recipe, metrics: what a row, a run and a measurement are
    dialects, verify, sandbox, store, engines, sources, decontaminate: one part each
    prompts, programs: what a language model is asked, and what it does to one row; programs know only protocols
    views: what a run is turned into without a model
    evaluation: what the samples of a model say about it, with error bars
    ingest, stages, cluster: inputs taken in once; the graph's workers; what a run asks of its machines
    planning, report, inspection: what a run will take; funnel, card, plots, state; the life of any row, an audit
    tuning: which engine settings a run should use, measured with its own programs
    training: a student from published traces: stages by length, layouts, packs
    graph, runs: rows through stages; one file per kind of run: what it reads, does, publishes
    pipeline, launch: a run from its recipe to what it publishes; how a job starts it
    commands, cli: the command line
"""

__version__ = "0.2.0"
