"""A durable, elastic factory for mathematical reasoning traces.

Rooms, from the bottom up (an arrow never points upwards):

    errors, records, settings, recipe   what a row and a run are; know nobody
    dialects  verify  sandbox  engines  store  sources  decontaminate   one part each
    programs                            what a language model does to one row; knows only protocols
    report                              funnel, card, plots
    pipeline, cli                       know everyone
"""

__version__ = "0.1.0"
