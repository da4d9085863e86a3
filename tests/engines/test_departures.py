"""What is on record of replicas that left."""

from __future__ import annotations

from factory.engines import departures
from factory.errors import FactoryError
from factory.metrics import ENGINES_LEFT
from factory.store.fs import Store


class Sink:
    def __init__(self):
        self.records = []

    def record(self, metric, value, **tags):
        self.records.append((metric, value, tags))


def leave(store, cause, replica="r1"):
    departures.record(store, replica=replica, node="10.0.0.1", cause=cause, detail=f"it was {cause}")


def test_departures_are_counted_by_cause_and_the_last_one_is_told(tmp_path):
    store = Store.open(tmp_path)
    assert (departures.causes(store), departures.last(store)) == ({}, None)
    for cause in ("silent", "canary", "silent"):
        leave(store, cause, replica="a-b")
    assert departures.causes(store) == {"silent": 2, "canary": 1}
    last = departures.last(store)
    assert (last.replica, last.node, last.cause, last.detail) == ("a-b", "10.0.0.1", "silent", "it was silent")


def test_what_is_new_becomes_a_metric(tmp_path):
    store, sink = Store.open(tmp_path), Sink()
    leave(store, "dead")
    with departures.counted(store, sink, every_s=60):
        leave(store, "machine")
        leave(store, "machine")
    assert sink.records == [(ENGINES_LEFT, 2, {"cause": "machine"})]


def test_a_store_that_is_away_keeps_nobody_from_leaving(tmp_path):
    class Away:
        def write(self, key, data):
            raise FactoryError("cannot use s3://b", why="it is away")

    leave(Away(), "dead")
    leave(None, "dead")
