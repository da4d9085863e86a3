"""The tool loop: turns, budgets, failures of every part, and what the trace says of them."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from factory.dialects.fenced import Fenced
from factory.dialects.tokenizer import ByteTokenizer
from factory.engines.failover import Failover
from factory.engines.protocol import Chunk, EngineUnavailable
from factory.engines.scripted import ScriptedEngine
from factory.programs.rollout import SampleProgress
from factory.records import Origin
from factory.sandbox.protocol import SandboxUnavailable
from tests.dialects.support import FENCED_CONTROL
from tests.programs.rollouts import (
    FINAL,
    HARMONY,
    TOKENIZER,
    Python,
    call,
    draw,
    run,
    text_of,
    thought,
    turns,
)


async def test_the_model_calls_python_twice_and_concludes():
    python = Python()
    engine = ScriptedEngine(
        turns(thought("I compute.") + call("x = 2 + 2"), call("print(x)"), thought("So 4.") + FINAL)
    )
    trace = await run(engine, python)

    assert trace.finish_reason == "stop"
    assert trace.answer == "4"
    assert [c.status for c in trace.tool_calls] == ["ok", "ok"]
    assert trace.tool_calls[1].stdout == "4\n", "the session keeps its state from call to call"
    assert [m.role for m in trace.messages] == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert "print(x)" in text_of(trace, Origin.GENERATED)
    assert "4\n<|end|>" in text_of(trace, Origin.TOOL)
    assert (python.n_opened, python.n_closed) == (1, 1)


async def test_each_turn_sends_exactly_the_tokens_of_the_turns_before():
    engine = ScriptedEngine(turns(call("print(1)"), call("print(2)"), FINAL))
    trace = await run(engine, Python())
    for request in engine.requests:
        assert trace.token_ids[: len(request.prompt_token_ids)] == request.prompt_token_ids
    assert {request.affinity for request in engine.requests} == {"p/low/python/0"}
    seeds = [request.sampling.seed for request in engine.requests]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3, "no two turns may see the same dice"


async def test_the_engine_is_free_while_python_runs():
    engine = ScriptedEngine(turns(call("pass"), FINAL))
    loads = []
    python = Python(before_cell=lambda: loads.append(engine._slots.load().running))
    await run(engine, python)
    assert loads == [0]


async def test_a_sample_without_python_runs_no_call():
    python = Python()
    trace = await run(turns(call("print(1)")), python, order=draw(tool=False))
    assert (trace.finish_reason, python.n_opened) == ("calls", 0)


async def test_nothing_is_opened_for_a_sample_that_makes_no_call():
    python = Python()
    assert (await run(turns(FINAL), python)).finish_reason == "stop"
    assert python.n_opened == 0


# --- budgets


async def test_the_last_call_tells_the_model_and_a_further_one_is_not_run():
    python = Python()
    trace = await run(turns(call("print(1)")), python, order=draw(max_calls=3))
    assert (trace.finish_reason, python.n_cells, len(trace.tool_calls)) == ("calls", 3, 3)
    outputs = [m.content for m in trace.messages if m.role == "tool"]
    assert ["No Python calls are left" in text for text in outputs] == [False, False, True]


async def test_the_last_segment_may_conclude():
    trace = await run(turns(call("print(1)"), FINAL), Python(), order=draw(max_calls=1))
    assert (trace.finish_reason, trace.answer) == ("stop", "4")


async def test_tokens_of_tool_output_count():
    order = draw(max_tokens=2000)
    trace = await run(turns(call("print('x' * 800)")), Python(), order=order)
    assert trace.finish_reason in ("calls", "length")
    assert trace.n_tool_tokens > 1600
    assert len(trace.tool_calls) <= 3


async def test_output_that_does_not_fit_ends_the_sample_before_it():
    trace = await run(turns(call("print('x' * 5000)")), Python(), order=draw(max_tokens=1000))
    assert (trace.finish_reason, trace.n_tool_tokens) == ("length", 0)
    assert len(trace.tool_calls) == 1, "the call was run, and the record says so"
    assert trace.token_ids[-1] == HARMONY.tokens.call


async def test_the_model_hears_that_its_tokens_run_out():
    # after the first output less than a sixteenth of the budget is left
    trace = await run(turns(call("print('x' * 3700)"), FINAL), Python(), order=draw(max_tokens=4000))
    assert "No Python calls are left" in text_of(trace, Origin.TOOL)
    assert trace.finish_reason == "stop"


async def test_length_and_context_are_told_apart():
    endless = turns(thought("a word "))
    assert (await run(endless, order=draw(max_tokens=20))).finish_reason == "length"
    order = draw(max_tokens=5000)
    narrow = ScriptedEngine(endless, max_model_len=len(order.prompt) + 20)
    trace = await run(narrow, order=order)
    assert (trace.finish_reason, trace.n_generated_tokens) == ("context", 20)


async def test_a_prompt_beyond_the_context_never_reaches_the_engine():
    order = draw()
    engine = ScriptedEngine(turns(FINAL), max_model_len=len(order.prompt))
    trace = await run(engine, order=order)
    assert (trace.finish_reason, trace.n_generated_tokens, engine.requests) == ("context", 0, [])


async def test_wall_time_ends_a_slow_engine_and_keeps_what_it_said():
    engine = ScriptedEngine(turns(thought("slow " * 200)), delay_s=0.05, chunk_tokens=4)
    trace = await run(engine, order=draw(wall_time_s=0.4))
    assert trace.finish_reason == "wall_time"
    assert trace.n_generated_tokens > 0
    assert engine.n_aborted == 1, "the engine was told to stop"


async def test_wall_time_ends_a_sample_whose_python_takes_it_all():
    python = Python(seconds=6.0)
    trace = await run(turns(call("pass")), python, order=draw(wall_time_s=10.0))
    assert (trace.finish_reason, len(trace.tool_calls), trace.seconds) == ("wall_time", 2, pytest.approx(12.0, abs=1))
    assert python.n_closed == 1


async def test_the_model_hears_that_its_time_runs_out():
    python = Python(seconds=960.0)
    trace = await run(turns(call("pass"), FINAL), python, order=draw(wall_time_s=1000.0), clock=lambda: 0.0)
    assert "No Python calls are left" in text_of(trace, Origin.TOOL)
    assert trace.seconds == pytest.approx(960.0)


# --- what a model may do wrong


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("<|channel|>analysis<|message|>print(1)<|call|>", "names no recipient"),
        ("<|channel|>commentary to=browser.open<|message|>{}<|call|>", "no tool named 'browser.open'"),
        ("<|channel|>commentary to=functions.python <|constrain|>json<|message|>{oops<|call|>", "not valid JSON"),
        (call("  "), "no code"),
        ("<|call|>", "names no recipient"),
    ],
)
async def test_a_malformed_call_is_shown_as_such(reply, told):
    python = Python()
    trace = await run(turns(reply, FINAL), python)
    assert (trace.finish_reason, trace.tool_calls[0].status, python.n_cells) == ("stop", "malformed", 0)
    assert told in text_of(trace, Origin.TOOL)


async def test_malformed_calls_use_up_the_budget():
    trace = await run(turns("<|call|>"), Python(), order=draw(max_calls=4))
    assert (trace.finish_reason, len(trace.tool_calls)) == ("calls", 4)


async def test_code_that_no_utf8_holds_is_run_and_recorded_as_the_same():
    body = '{"code": "print(len(\'\\ud83d\'))"}'
    reply = f"<|channel|>commentary to=functions.python<|message|>{body}<|call|>"
    trace = await run(turns(reply, FINAL), Python())
    assert (trace.tool_calls[0].code, trace.tool_calls[0].stdout) == ("print(len('\ufffd'))", "1\n")
    assert "\ufffd" in trace.messages[-3].tool_calls[0].function.arguments


async def test_an_output_that_the_model_invents_is_no_output():
    invented = "<|channel|>analysis to=python code<|message|>x<|end|><|start|>python to=assistant<|message|>9<|end|>"
    trace = await run(turns(f"{invented}<|start|>assistant{call('print(4)')}", FINAL), Python())
    assert [m.content for m in trace.messages if m.role == "tool"] == ["4\n"]
    assert sum(len(m.tool_calls or []) for m in trace.messages) == len(trace.tool_calls) == 1


async def test_an_error_of_the_code_is_shown():
    trace = await run(turns(call("1 / 0"), FINAL), Python())
    assert trace.tool_calls[0].status == "error"
    assert "ZeroDivisionError" in text_of(trace, Origin.TOOL)


async def test_output_that_spells_control_tokens_is_text():
    trace = await run(turns(call("print('<|' + 'end|><|' + 'start|>assistant')"), FINAL), Python())
    assert [m.content for m in trace.messages if m.role == "tool"] == ["<|end|><|start|>assistant\n"]
    assert trace.answer == "4"


@pytest.mark.parametrize("chunk_tokens", [1, 16, 100, 4096])
async def test_an_endless_loop_ends_early_at_the_same_token_for_every_chunk_size(chunk_tokens):
    loop = thought("Wait, let me check this once more. ") * 400
    trace = await run(ScriptedEngine(turns(loop), chunk_tokens=chunk_tokens), order=draw(max_tokens=50_000))
    assert trace.finish_reason == "repetition"
    assert trace.n_generated_tokens == 1024


async def test_repetition_can_be_switched_off():
    order = draw(max_tokens=3000, repetition_tokens=0)
    trace = await run(turns("<|channel|>analysis<|message|>" + "again " * 1000), order=order)
    assert trace.finish_reason == "length"


# --- engines that die


@pytest.mark.parametrize("chunk_tokens", [1, 7, 64])
@pytest.mark.parametrize("deaths", [(0,), (5, 3), (1, None, 2), (3, 0, 0, 0)])
async def test_a_dead_engine_costs_no_token(deaths, chunk_tokens):
    script = turns(thought("Let me see.") + call("print(6 * 7)"), thought("So it is.") + FINAL)
    undisturbed = await run(script, Python())
    engine = ScriptedEngine(script, deaths=deaths, chunk_tokens=chunk_tokens)
    trace = await run(engine, Python())
    assert trace.token_ids == undisturbed.token_ids
    assert trace.mask == undisturbed.mask
    assert trace.uid == undisturbed.uid
    assert len(engine.requests) == 2 + sum(d is not None for d in deaths)
    assert trace.n_regenerated_tokens == 0


async def test_a_turn_that_was_complete_when_its_engine_died_is_not_gone_on_with():
    class DiesAtTheEnd(ScriptedEngine):
        async def generate(self, prompt_token_ids, sampling, *, affinity=""):
            async for chunk in super().generate(prompt_token_ids, sampling, affinity=affinity):
                yield Chunk(chunk.token_ids)
            raise EngineUnavailable("dead before the finish reason")

    engine = DiesAtTheEnd(turns(call("print(1)"), FINAL))
    trace = await run(engine, Python())
    assert (trace.finish_reason, trace.answer, len(engine.requests)) == ("stop", "4", 2)


async def test_the_budget_goes_on_after_a_death():
    engine = ScriptedEngine(turns(thought("word " * 100)), deaths=(30,), chunk_tokens=10)
    trace = await run(engine, order=draw(max_tokens=50))
    assert [r.sampling.max_tokens for r in engine.requests] == [50, 20]
    assert trace.finish_reason == "length"


async def test_an_engine_that_stays_away_is_raised_after_bounded_retries():
    engine = ScriptedEngine(turns(FINAL), deaths=(0,) * 10)
    with pytest.raises(EngineUnavailable):
        await run(engine)
    assert len(engine.requests) == 5


async def test_lost_tokens_are_counted_where_the_engine_knows_them():
    class Forgetful(ScriptedEngine):
        async def generate(self, prompt_token_ids, sampling, *, affinity=""):
            try:
                async for chunk in super().generate(prompt_token_ids, sampling, affinity=affinity):
                    yield chunk
            except EngineUnavailable as error:
                raise EngineUnavailable(str(error), lost_tokens=11) from None

    trace = await run(Forgetful(turns(FINAL), deaths=(3, 2)))
    assert trace.n_regenerated_tokens == 22


async def test_a_request_that_can_never_succeed_is_an_error_with_what_there_is():
    engine = ScriptedEngine(turns(call("pass"), FINAL))
    order = draw()
    asked = []

    async def refuse(progress):
        asked.append(progress)
        engine._identity = type(engine._identity)(name="n", revision="r", max_model_len=1, engine="scripted")

    trace = await run(engine, Python(), order=order, on_turn=refuse)
    assert (trace.finish_reason, len(trace.tool_calls), len(asked)) == ("error", 1, 1)


# --- engines and sandboxes that are away, or silent


class Drought(ScriptedEngine):
    """Every request waits for hours before a replica takes it; the test's own clock says so."""

    now = 0.0

    async def generate(self, prompt_token_ids, sampling, *, affinity=""):
        self.now += 10_000.0
        async for chunk in super().generate(prompt_token_ids, sampling, affinity=affinity):
            self.now += 1.0
            yield chunk


async def test_waiting_for_a_replica_is_no_time_of_the_sample():
    engine = Drought(turns(call("print(1)"), FINAL), deaths=(20, 0, 3), chunk_tokens=16)
    trace = await run(engine, Python(), order=draw(wall_time_s=100.0), clock=lambda: engine.now)
    assert (trace.finish_reason, trace.answer, engine.now > 40_000) == ("stop", "4", True)
    assert 0 < trace.seconds < 20


async def test_waiting_for_a_session_is_no_time_of_the_sample():
    engine = Drought(turns(call("print(1)"), FINAL))
    python = Python(before_cell=lambda: setattr(engine, "now", engine.now + 10_000.0), seconds=2.0)
    trace = await run(engine, python, order=draw(wall_time_s=100.0), clock=lambda: engine.now)
    assert (trace.finish_reason, trace.answer) == ("stop", "4")


@pytest.mark.parametrize("silences", [(5,), (None, 2), (3, 1, 1)])
async def test_an_engine_that_falls_silent_costs_no_token(silences):
    script = turns(thought("Let me see.") + call("print(6 * 7)"), thought("So it is.") + FINAL)
    undisturbed = await run(script, Python())
    engine = ScriptedEngine(script, silences=silences, chunk_tokens=2)
    trace = await run(engine, Python(), failover=partial(Failover, tries=4, first_pause_s=0.0, silence_s=0.05))
    assert (trace.token_ids, trace.uid) == (undisturbed.token_ids, undisturbed.uid)
    n_silent = sum(silence is not None for silence in silences)
    assert len(engine.requests) == 2 + n_silent
    assert engine.n_aborted == n_silent, "the silent requests were given up"


async def test_a_request_that_has_not_begun_may_wait():
    engine = ScriptedEngine(turns(FINAL), delay_s=0.2, chunk_tokens=1000)
    trace = await run(engine, failover=partial(Failover, silence_s=0.01))
    assert (trace.finish_reason, len(engine.requests)) == ("stop", 1)


async def test_an_engine_that_stays_silent_leaves_the_sample_undrawn():
    class Mute(ScriptedEngine):
        async def generate(self, prompt_token_ids, sampling, *, affinity=""):
            self.requests.append(prompt_token_ids)
            yield Chunk([], waiting=True)
            await asyncio.Event().wait()

    engine = Mute(turns(FINAL))
    with pytest.raises(EngineUnavailable, match="silent for"):
        await run(engine, failover=partial(Failover, tries=2, first_pause_s=0.0, silence_s=0.02))
    assert len(engine.requests) == 3


async def test_a_sandbox_that_opens_no_session_leaves_the_sample_undrawn():
    class Away(Python):
        async def open(self, *, seed=0, trace=""):
            raise SandboxUnavailable("no actor lives long enough")

    with pytest.raises(SandboxUnavailable):
        await run(turns(call("print(5)"), FINAL), Away())


# --- sessions that die, workers that die


async def test_a_lost_session_is_told_and_never_replayed():
    python = Python(lose=[1])
    script = turns(call("x = 1"), call("print(x)"), call("print(x)"), FINAL)
    trace = await run(script, python)
    assert [(c.status, c.state_lost) for c in trace.tool_calls] == [("ok", False), ("killed", True), ("error", False)]
    assert "Variables and imports are gone" in text_of(trace, Origin.TOOL)
    assert "NameError" in trace.tool_calls[2].stderr, "the old cell was not run again behind the model's back"
    assert (python.n_opened, python.n_closed) == (2, 2)


async def test_a_first_cell_is_run_again_in_a_new_session_for_nothing_depends_on_the_lost_one():
    python = Python(lose=[0, 1])
    trace = await run(turns(call("print(5)"), FINAL), python)
    assert [(c.status, c.stdout) for c in trace.tool_calls] == [("ok", "5\n")]
    assert python.n_opened == 3


async def test_a_sandbox_that_is_gone_for_good_ends_in_data():
    python = Python(lose=range(100))
    trace = await run(turns(call("print(5)"), FINAL), python)
    assert [(c.status, c.state_lost) for c in trace.tool_calls] == [("killed", True)]
    assert trace.finish_reason == "stop"


async def test_a_timeout_that_lost_the_state_is_shown_as_such():
    trace = await run(turns(call("x = 1"), call("too long"), call("print(x)"), FINAL), Python())
    shown = text_of(trace, Origin.TOOL)
    assert "partial\nExecution was stopped: it ran out of time." in shown
    assert "NameError" in shown


async def test_a_finished_turn_is_a_safe_point_and_the_rest_is_the_same():
    script = turns("<|call|>", thought("b") + FINAL)
    points: list[SampleProgress] = []

    async def keep(progress):
        points.append(progress)

    whole = await run(script, Python(), on_turn=keep)
    engine = ScriptedEngine(script)
    again = await run(engine, Python(), resume=points[0])
    assert again.token_ids == whole.token_ids
    assert again.uid == whole.uid
    assert len(engine.requests) == 1, "the first turn was not generated again"


async def test_a_resumed_sample_hears_that_its_variables_are_gone():
    script = turns(call("x = 1"), call("print(x)"), call("x = 2; print(x)"), FINAL)
    points: list[SampleProgress] = []

    async def keep(progress):
        points.append(progress)

    await run(script, Python(), on_turn=keep)
    python = Python()
    trace = await run(script, python, resume=points[0])
    assert [(c.status, c.state_lost) for c in trace.tool_calls] == [("ok", False), ("killed", True), ("ok", False)]
    assert trace.tool_calls[2].stdout == "2\n"
    assert python.n_cells == 1


async def test_progress_of_another_prompt_is_refused():
    with pytest.raises(ValueError, match="another prompt"):
        await run(turns(FINAL), resume=SampleProgress.start([1, 2, 3]))


async def test_cancelling_closes_session_and_stream():
    running = asyncio.Event()
    python = Python(before_cell=running.set)
    task = asyncio.create_task(run(turns(call("hang")), python))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert python.n_closed == 1


async def test_a_truncated_final_message_still_gives_its_answer():
    text = "<|channel|>analysis<|message|>It is \\boxed{12}<|end|><|start|>assistant<|channel|>final<|message|>Thus"
    order = draw(max_tokens=len(text) - 60)
    trace = await run(turns(text), order=order)
    assert (trace.finish_reason, trace.answer) == ("length", "12")
    assert TOKENIZER.decode(trace.token_ids).startswith("<|start|>system")


# --- a dialect whose calls no control token ends


FENCES = Fenced(ByteTokenizer(FENCED_CONTROL))
RUNS_ON = "I run it.\n```python\nprint(6 * 7)\n```\n```output\n41\n```\nSo \\boxed{41}<|im_end|>"


@pytest.mark.parametrize("chunk_tokens", [1, 5, 16, 200])
async def test_a_model_that_goes_on_to_invent_the_output_is_cut_off_at_its_call(chunk_tokens):
    script = turns(RUNS_ON, "So \\boxed{42}<|im_end|>", dialect=FENCES, tokenizer=FENCES.tokenizer)
    engine = ScriptedEngine(script, chunk_tokens=chunk_tokens)
    trace = await run(engine, Python(), order=draw(dialect=FENCES), dialect=FENCES)
    assert (trace.finish_reason, trace.answer) == ("stop", "42")
    assert [c.stdout for c in trace.tool_calls] == ["42\n"]
    assert "41" not in FENCES.tokenizer.decode(trace.token_ids)
    assert (await engine.load()).running == 0


async def test_code_that_is_only_shown_ends_nothing():
    script = turns(RUNS_ON, dialect=FENCES, tokenizer=FENCES.tokenizer)
    trace = await run(script, Python(), order=draw(dialect=FENCES, tool=False), dialect=FENCES)
    assert (trace.finish_reason, trace.answer, trace.tool_calls) == ("stop", "41", [])
