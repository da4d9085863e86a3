"""The judge of close pairs for the batch of a command, over HTTP and in process."""

from __future__ import annotations

import json

import pytest

from factory.commands import pair_judge
from factory.commands.decontaminate_file import decontaminate_file, decontaminate_pairs
from factory.commands.pair_judge import PairJudge, judge_of
from factory.engines.connect import Model
from factory.engines.protocol import EngineError, EngineUnavailable
from factory.engines.scripted import ScriptedEngine, by_text
from factory.errors import FactoryError
from factory.programs import asking
from tests.programs.rollouts import HARMONY, TOKENIZER

STORY = "Nadia buys 14 notebooks at $3 each and 5 pens at $2 each. How many dollars does she spend?"
VARIANT = STORY.replace("14", "23")


@pytest.fixture
def judge(monkeypatch):
    """A judge whose engine says what the test sets."""

    def make(engine, **options):
        monkeypatch.setattr(pair_judge, "open_model", lambda section: Model(engine, HARMONY))
        return PairJudge(judge_of(None, "http://localhost:1", "some/model"), **options)

    return make


def says(reply: str) -> ScriptedEngine:
    return ScriptedEngine(by_text(TOKENIZER, [(".*", f"<|channel|>final<|message|>{reply}<|return|>")]))


@pytest.mark.parametrize(
    ("reply", "contaminated", "reason"),
    [
        ("Same problem: Yes", True, "the judge says the same problem"),
        ("Same problem: No", False, "the judge says another problem"),
        ("Well.", False, "nearly the same text with other numbers or formulas"),
    ],
)
def test_a_command_asks_about_the_pairs_in_the_band_alone(tmp_path, judge, reply, contaminated, reason):
    pairs, problems, bench = (tmp_path / f"{name}.jsonl" for name in ("pairs", "problems", "bench"))
    texts = [STORY, VARIANT, "What is a prime?"]
    pairs.write_text("".join(json.dumps({"train_problem": t, "benchmark_problem": STORY}) + "\n" for t in texts))
    problems.write_text("".join(json.dumps({"id": i, "problem": t}) + "\n" for i, t in enumerate(texts)))
    bench.write_text(json.dumps({"id": "b", "problem": STORY}))
    with judge(says(reply)) as asks:
        by_pair = list(decontaminate_pairs(str(pairs), judge=asks))
        by_problem = list(decontaminate_file(str(problems), [str(bench)], judge=asks))
    for answers in (by_pair, by_problem):
        assert [a["contaminated"] for a in answers] == [True, contaminated, False]
        assert answers[1]["reason"] == reason


class Failing(ScriptedEngine):
    """Every request ends in one error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lambda prompt, sampling: [])
        self.error = error

    async def generate(self, prompt, sampling, *, affinity=""):
        raise self.error
        yield


def test_a_pair_that_does_not_fit_stays_undecided_and_a_dead_server_is_an_error(judge, monkeypatch):
    with judge(Failing(EngineError("too long"))) as asks:
        assert asks([(VARIANT, STORY)]) == [None]
    monkeypatch.setattr(asking, "Failover", lambda engine, silence_s: engine)
    with judge(Failing(EngineUnavailable("gone"))) as asks, pytest.raises(FactoryError, match="does not answer"):
        asks([(VARIANT, STORY)])


def test_options_that_name_no_judge_are_explained(tmp_path):
    assert judge_of(None, None, None) is None
    for options in (("r.yaml", "http://x", None), (None, "http://x", None), (None, None, "m")):
        with pytest.raises(FactoryError, match="--judge-url with --judge-model"):
            judge_of(*options)
