"""A durable, elastic factory for mathematical reasoning traces.

Rooms, from the bottom up (an arrow never points upwards):

    errors  settings  arrow  periodic   what all are made with; know nobody
    records  recipe  metrics            what a row, a run and a measurement are
    dialects  verify  sandbox  engines  store  sources  decontaminate   one part each
    programs                            what a language model does to one row; knows only protocols
    ingest  stages  cluster             inputs taken in once; the graph's workers; what a run asks of its machines
    views                               what a run is turned into without a model
    report  inspection  planning        funnel, card, plots; a run's state and any row's life; what a run will take
    tuning                              which engine settings a run should use, measured with its own programs
    graph  runs                         rows through stages; one file per kind of run: what it reads, does, publishes
    pipeline  launch  cli               know everyone
"""

__version__ = "0.2.0"
