"""What tests of stages start from: settings, a problem, services without a network, and a look at the journal."""

from __future__ import annotations

from factory.arrow import from_table
from factory.engines.connect import Model
from factory.metrics import SILENT
from factory.records import Problem
from factory.stages.services import Services
from factory.store.kinds import DIRECTORIES
from factory.store.tables import read_table
from tests.programs.rollouts import HARMONY, Python

SETTINGS = {
    "name": "t",
    "sources": [{"path": "x"}],
    "teacher": {"model": "m"},
    "solve": {"samples": 2, "sampling": {"max_tokens": 500, "wall_time_s": 30}},
    "journal": {"part_age_s": 0.1},
    "programs": {"max_attempts": 2},
}
PROBLEM = Problem(id="p", text="2 + 2?", answer="4", source="s")


def connecting(ledger, sink=SILENT, **engines):
    """What a stage connects with: its engines by role, a Python that follows a script, and a ledger in this process."""

    async def begin(row_id):
        return ledger.begin(row_id)

    async def recorded(row_id):
        return ledger.recorded(row_id)

    async def connect():
        models = {role: Model(engine, HARMONY) for role, engine in engines.items()}
        return Services(models, Python(), begin, recorded, sink)

    return connect


def journaled(run, kind):
    keys = [entry.key for entry in run.store.list(DIRECTORIES[kind])]
    return [row for key in keys for row in from_table(kind, read_table(run.store, key))]
