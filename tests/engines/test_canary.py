"""A replica whose engine says other things than its weights do is found out, whichever of them came first."""

from __future__ import annotations

import pytest

from factory.dialects.tokenizer import ByteTokenizer
from factory.engines.canary import MIN_AGREEMENT, QUESTIONS, Canary, agreement, ask, stuck
from factory.engines.scripted import ScriptedEngine
from factory.errors import FactoryError
from factory.store.fs import Store

TOKENIZER = ByteTokenizer([])


def engine(shift=0, *, tip=None):
    """Greedy answers that depend on the question; `tip`: after so many tokens each answer goes another way."""

    def script(prompt, sampling):
        tokens = [(sum(prompt) + 7 * k + shift) % 200 for k in range(sampling.max_tokens)]
        return tokens if tip is None else tokens[:tip] + [token + 1 for token in tokens[tip:]]

    return ScriptedEngine(script)


def poisoned():
    return ScriptedEngine(lambda prompt, sampling: [33] * sampling.max_tokens)


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path)


def canary(store, replica, weights="w"):
    return Canary(store, weights, replica, TOKENIZER)


async def test_replicas_of_the_same_weights_agree_and_others_do_not_serve(store):
    assert await canary(store, "a").look(engine(), first=True) is None
    assert await canary(store, "b").look(engine(), first=True) is None
    wrong = await canary(store, "c").look(engine(shift=5), first=True)
    assert wrong is not None
    assert "0% of its greedy tokens" in wrong
    assert await canary(store, "d", weights="others").look(engine(shift=5), first=True) is None


async def test_a_near_tie_on_other_hardware_is_no_sign_of_illness(store):
    assert await canary(store, "a").look(engine(), first=True) is None
    assert await canary(store, "b").look(engine(tip=9), first=True) is None
    assert await canary(store, "c").look(engine(tip=3), first=True) is not None


async def test_one_token_over_and_over_needs_no_comparison(store):
    wrong = await canary(store, "a").look(poisoned(), first=True)
    assert wrong is not None
    assert "token 33, over and over" in wrong
    assert await canary(None, "a").look(poisoned()) is not None, "nor a store"
    assert await canary(None, "a").look(engine()) is None
    assert not list(store.list("engines/")), "and is not what others are measured by"


async def test_a_first_replica_that_was_ill_is_outvoted_and_finds_out(store):
    first = canary(store, "ill")
    assert await first.look(engine(shift=5), first=True) is None, "nobody knows better yet"
    assert await canary(store, "b").look(engine(), first=True) is not None, "one word against another: the first stays"
    assert await canary(store, "c").look(engine(), first=True) is None
    assert await first.look(engine(shift=5)) is not None


async def test_an_engine_that_falls_ill_later_is_found_at_the_next_look(store):
    known = canary(store, "a")
    assert await known.look(engine(), first=True) is None
    assert await known.look(engine()) is None
    assert await known.look(engine(shift=1)) is not None


async def test_a_store_that_is_away_says_nothing_of_the_engine(store, monkeypatch):
    def write(self, key, data):
        raise FactoryError("cannot use s3://b")

    monkeypatch.setattr(type(store), "write", write)
    assert await canary(store, "a").look(engine(), first=True) is None
    assert await canary(store, "a").look(poisoned(), first=True) is not None


async def test_agreement_counts_to_the_first_difference():
    answers = await ask(engine(), TOKENIZER)
    assert len(answers) == len(QUESTIONS)
    assert agreement(answers, answers) == 1.0
    assert agreement([[1, 2, 3, 4]], [[1, 2, 9, 4]]) == MIN_AGREEMENT
    assert agreement([[]], [[]]) == 1.0
    assert not stuck([[5], [5]]), "a model that ends at once is not stuck"
    assert not stuck([[1] * 16, [2] * 16])
