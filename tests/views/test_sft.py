"""sft: the loss is exactly on what the teacher generated, in the teacher's tokens and in a student's."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from factory.arrow import from_table
from factory.dialects.tokenizer import HfTokenizer
from factory.engines.model_files import tokenizer_file
from factory.errors import FactoryError
from factory.records import Origin, Trace
from factory.store.run import Run
from tests.conftest import ROOT
from tests.views.student_model import CHATML, make_student

TEACHER = str(ROOT / "jobs" / "demo" / "teacher")
STORED = str(ROOT / "tests" / "stored_runs" / "2026-11")


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> str:
    return make_student(tmp_path_factory.mktemp("student") / "model")


def traces(uri: str) -> dict[str, Trace]:
    reader = Run.attach(uri).reader()
    return {trace.uid: trace for found in reader.tables(Trace) for trace in from_table(Trace, found.table)}


def test_labels_are_what_was_generated_and_nothing_else(exported, made_run):
    stored, (_, rows) = traces(made_run), exported("sft", "form=tokens")
    for row in rows["sft"]:
        trace = stored[row["uid"]]
        assert row["input_ids"] == trace.token_ids
        expected = [i if m == Origin.GENERATED else -100 for i, m in zip(trace.token_ids, trace.mask, strict=True)]
        assert row["labels"] == expected
        assert row["n_tokens"] == len(trace.token_ids)


def test_filters_take_what_they_say_and_name_what_they_leave(exported):
    given = ["modes=[high,low]", "tool=true", "min_difficulty=0.2", "max_tokens=60", "verified_by=[number]"]
    done, rows = exported("sft", *given)
    everything = exported("sft")[1]["sft"]
    wanted = [
        row["uid"]
        for row in everything
        if row["mode"] != "medium" and row["tool"] == "python" and row["difficulty"] >= 0.2 and row["n_tokens"] <= 60
    ]
    assert [row["uid"] for row in rows["sft"]] == wanted != []
    assert {"mode", "tool", "difficulty", "too_long"} <= done.funnel.left_out.keys()
    assert exported("sft", "verified_by=[judge]")[0].funnel.left_out["verified_by"] == len(everything)


def test_at_most_n_of_a_problem_are_nested_and_fair(exported):
    sets = []
    for n in (1, 3, 5):
        rows = exported("sft", f"per_problem={n}")[1]["sft"]
        assert max(Counter(row["problem_id"] for row in rows).values()) == n
        sets.append({row["uid"] for row in rows})
    assert sets[0] < sets[1] < sets[2]
    regimes, there = defaultdict(set), defaultdict(set)
    for row in exported("sft", "per_problem=3")[1]["sft"]:
        regimes[row["problem_id"]].add((row["mode"], row["tool"]))
    for row in exported("sft")[1]["sft"]:
        there[row["problem_id"]].add((row["mode"], row["tool"]))
    assert all(len(regimes[problem]) == min(3, len(there[problem])) for problem in there)


def test_messages_are_a_conversation_with_reasoning_and_tools(exported):
    for row in exported("sft")[1]["sft"]:
        roles = [message["role"] for message in row["messages"]]
        assert roles == (
            ["user", "assistant", "tool", "assistant"] if row["tool"] == "python" else ["user", "assistant"]
        )
        assert bool(row["tools"]) == (row["tool"] == "python")
        assert row["messages"][-1]["reasoning_content"].startswith("So it is")


def test_the_teachers_text_in_a_students_tokens_says_the_same(exported, student):
    teacher, other = HfTokenizer(tokenizer_file(TEACHER)), HfTokenizer(tokenizer_file(student))
    stored = traces(STORED)
    done, rows = exported("sft", "form=tokens", f"student={student}", f"teacher={TEACHER}", uri=STORED)
    assert len(rows["sft"]) == done.funnel.used == 52
    for row in rows["sft"]:
        trace = stored[row["uid"]]
        assert other.decode(row["input_ids"]) == teacher.decode(trace.token_ids)
        learnt = [i for i in row["labels"] if i != -100]
        generated = [i for i, m in zip(trace.token_ids, trace.mask, strict=True) if m == Origin.GENERATED]
        assert other.decode(learnt) == teacher.decode(generated)
        assert not set(row["input_ids"]) & set(other.control.values())  # the teacher's control tokens are text


def test_a_chat_template_without_generation_marks_gets_its_loss_on_assistant_turns_alone(exported, student):
    tokenizer = HfTokenizer(tokenizer_file(student))
    _, rows = exported("sft", "form=tokens", f"student={student}", "render=template")
    messages = {row["uid"]: row["messages"] for row in exported("sft")[1]["sft"]}
    assert len(rows["sft"]) == len(messages)
    for row in rows["sft"]:
        spoken, said = "", ""
        for message in messages[row["uid"]]:
            thought = message["reasoning_content"]
            body = (f"<think>{thought}</think>\n" if thought else "") + message["content"]
            body += "<tool_call>1 + 1</tool_call>" if message["tool_calls"] else ""
            if message["role"] == "assistant":
                said += body + "<|im_end|>\n"
            spoken += f"<|im_start|>{message['role']}\n{body}<|im_end|>\n"
        assert tokenizer.decode(row["input_ids"]) == spoken
        assert tokenizer.decode([i for i in row["labels"] if i != -100]) == said


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (CHATML.replace("m.reasoning_content %}<think>", "false %}<think>"), "template_drops_reasoning"),
        (
            CHATML.replace("{% for m in messages %}", "{{ messages|length }}{% for m in messages %}"),
            "template_rewrites_turns",
        ),
    ],
)
def test_a_template_that_loses_or_rewrites_turns_leaves_the_trace_out_by_name(exported, tmp_path, template, reason):
    model = make_student(tmp_path / "student", template)
    done, _ = exported("sft", "form=tokens", f"student={model}", "render=template")
    assert done.funnel.left_out[reason] > 0


def test_what_a_student_lacks_is_told_before_anything_is_written(exported, tmp_path):
    with pytest.raises(FactoryError, match="no chat template"):
        exported("sft", "form=tokens", f"student={make_student(tmp_path / 's', '')}", "render=template")
    with pytest.raises(FactoryError):
        exported("sft", "form=tokens", f"student={tmp_path}/nothing")


def test_the_collator_of_trl_has_the_loss_exactly_there(exported):
    language = pytest.importorskip("trl.trainer.sft_trainer", reason="the extra `train` is not installed")
    rows = exported("sft", "form=tokens")[1]["sft"][:8]
    collate = language.DataCollatorForLanguageModeling(pad_token_id=0)
    batch = collate([{"input_ids": row["input_ids"], "labels": row["labels"]} for row in rows])
    for row, ids, labels in zip(rows, batch["input_ids"], batch["labels"], strict=True):
        n = len(row["input_ids"])
        assert ids[:n].tolist() == row["input_ids"]
        assert labels[:n].tolist() == row["labels"]
        assert (np.asarray(labels[n:]) == -100).all()
