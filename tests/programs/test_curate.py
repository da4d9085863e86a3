"""Curation over scripted replies: the order of its steps, what each keeps, and what a malformed reply means."""

from __future__ import annotations

import json
from itertools import takewhile

import pytest

from factory.arrow import from_table, to_table
from factory.programs import curation
from factory.programs.curate import CLASSIFIERS, MALFORMED, PROMPTS, curate
from factory.programs.thread_text import discussion_text, question_text
from factory.prompts.loader import prompt
from factory.recipe import Curate
from factory.records import Attribution, Post, Problem, Reject, Thread

CLEAN = {"classify_proof": "Result", "classify_multiple_choice": "Open", "classify_binary": "Open"}
CLEAN |= {"classify_invalid": "Valid", "extract_answer": "Post 1 says so.\nAnswer: \\boxed{\\frac{1}{2}}"}


class Scripted:
    """Answers each prompt from a table: prompt -> reply, or prompt -> {problem -> reply}. Renders what it is asked."""

    def __init__(self, **replies):
        self.replies = {**CLEAN, **replies}
        self.asked, self.rendered = [], []

    async def ask(self, role, name, variables):
        assert role == "curator"
        self.rendered.append(prompt(name).render(variables))
        self.asked.append(name)
        reply = self.replies[name]
        return reply if isinstance(reply, str) else reply[variables["problem"]]


def post(number, text, **more):
    return Post(id=str(number), text=text, attribution=Attribution(license="CC BY-SA 4.0", url=f"u{number}"), **more)


THREAD = Thread(
    id="t",
    source="forum",
    title="Two things about {x}",
    question=post(0, "Find $\\frac{a}{b}$ and {{problem}}.", comments=["which $a$?"]),
    answers=[post(1, "It is 1/2.", accepted=True, comments=["agreed", "me too"]), post(2, "No idea")],
    position="file:7",
)


async def run(settings=None, thread=THREAD, **replies):
    ctx = Scripted(**replies)
    rows = await curate(thread, ctx, *([settings] if settings else []))
    for kind in (Problem, Reject):
        of_kind = [row for row in rows if isinstance(row, kind)]
        assert from_table(kind, to_table(kind, of_kind)) == of_kind
    return rows, ctx


async def test_a_problem_goes_through_every_step_and_keeps_each_reply():
    (problem,), ctx = await run(extract_problems="Problem 1: Find $x$.")
    assert ctx.asked == [name for name in PROMPTS if name != "convert_proof"]
    assert (problem.id, problem.text, problem.answer) == ("t/1", "Find $x$.", "\\frac{1}{2}")
    assert problem.steps == {"extract_problems": "Problem 1: Find $x$.", **CLEAN}
    assert (problem.source, problem.position, problem.attribution.url) == ("forum", "file:7", "u0")
    assert [attribution.url for attribution in problem.contributors] == ["u1", "u2"]


async def test_several_problems_take_their_own_ways_and_keep_their_order():
    show, choose, is_it, figure, find = "Show A.", "Choose\n(A) 1 (B) 2", "Is it?", "In the figure?", "Find B."
    listed = "".join(f"**Problem {n}:** {text}\n\n" for n, text in enumerate((show, choose, is_it, figure, find), 1))
    rows, ctx = await run(
        extract_problems=f"Here they are.\n\n{listed}",
        classify_proof={show: "Proof", choose: "Result", is_it: "Result", figure: "Result", find: "Result"},
        classify_multiple_choice={choose: "Choice", is_it: "Open", figure: "Open", find: "Open"},
        classify_binary={is_it: "Binary", figure: "open", find: "Open, as it wants a value"},
        classify_invalid={figure: "**Invalid**", find: "Valid."},
    )
    outcome = [row.reason if isinstance(row, Reject) else row.text for row in rows]
    assert outcome == ["proof", "multiple_choice", "binary", "invalid", "Find B."]
    assert [row.id for row in rows] == [f"t/{n}" for n in range(1, 6)]
    steps = dict(json.loads(rows[0].row)["steps"])
    assert steps["classify_proof"] == "Proof"
    assert (rows[0].kind, rows[0].stage, rows[0].position) == ("problem", "curate", "file:7")
    assert ctx.asked.count("extract_answer") == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("No problem", "no_problem"),
        ("**No problems.**", "no_problem"),
        ("The post asks for books.\nNo problem", "no_problem"),
        ("I cannot see any question here", "malformed_extraction"),
        ("", "malformed_extraction"),
        ("Problem 1:", "malformed_extraction"),
        ("Problem 2: starts at two", "malformed_extraction"),
    ],
)
async def test_a_thread_without_problems_is_one_reject_that_holds_it(reply, reason):
    (reject,), ctx = await run(extract_problems=reply)
    assert (reject.id, reject.kind, reject.reason, reject.detail) == ("t", "thread", reason, reply)
    assert json.loads(reject.row)["title"] == THREAD.title
    assert ctx.asked == ["extract_problems"]


async def test_malformed_replies_keep_the_problem_and_are_named_on_it():
    (problem,), _ = await run(
        extract_problems="Problem 1: Find $x$.",
        classify_proof="Well, it depends.",
        classify_binary="",
        classify_invalid="I think it is Invalid",
        extract_answer="The answer is 5.",
    )
    assert problem.answer is None
    assert problem.contributors == []
    assert problem.steps[MALFORMED] == "classify_proof, classify_binary, classify_invalid, extract_answer"


async def test_a_reject_tells_which_replies_were_malformed():
    (reject,), _ = await run(extract_problems="Problem 1: x", classify_proof="?", classify_binary="Binary")
    assert (reject.reason, reject.detail) == ("binary", "malformed replies: classify_proof")


async def test_proofs_are_converted_only_where_the_recipe_says_so():
    replies = {"extract_problems": "Problem 1: Show A.", "classify_proof": "Proof"}
    (reject,), ctx = await run(**replies, convert_proof="Problem: Find B.")
    assert (reject.reason, "convert_proof" in ctx.asked) == ("proof", False)
    switched = Curate(convert_proofs=True)
    (problem,), ctx = await run(switched, **replies, convert_proof="Let me think. Problem is hard.\nProblem: Find B.")
    assert (problem.text, problem.answer) == ("Find B.", None)
    assert "convert_proof" in problem.steps
    assert ctx.asked == ["extract_problems", "classify_proof", "convert_proof"]
    for reply in ("Problem: none", "I will not"):
        (reject,), _ = await run(switched, **replies, convert_proof=reply)
        assert reject.reason == "proof"


def common_prefix(texts):
    return "".join(first for first, *others in takewhile(lambda chars: len(set(chars)) == 1, zip(*texts, strict=False)))


async def test_all_prompts_of_a_thread_share_the_post_as_their_prefix():
    _, ctx = await run(extract_problems="Problem 1: A\nProblem 2: B", convert_proof="Problem: none")
    shared = common_prefix(ctx.rendered)
    assert shared.endswith(f"<post>\n{question_text(THREAD)}\n</post>\n\n")
    answers = [text for name, text in zip(ctx.asked, ctx.rendered, strict=True) if name == "extract_answer"]
    assert discussion_text(THREAD, 24_000) in common_prefix(answers)


def test_every_prompt_of_the_steps_begins_with_the_same_text_in_every_thread():
    curator = prompt("curator").render({})
    assert all(prompt(name).preamble.strip() == curator for name in PROMPTS)


@pytest.mark.parametrize("name", PROMPTS)
def test_the_last_line_names_a_task_that_the_preamble_explains(name):
    last = prompt(name).template.splitlines()[-1]
    task = last.removeprefix("Task: ").partition(" (")[0]
    assert f'# Task "{task}"' in prompt(name).preamble


def test_a_thread_is_shown_with_its_comments_up_to_a_limit():
    assert question_text(THREAD) == "Two things about {x}\n\nFind $\\frac{a}{b}$ and {{problem}}."
    assert discussion_text(THREAD, 1000) == (
        "Comment: which $a$?\n\nPost 1 (accepted):\nIt is 1/2.\nComment: agreed\nComment: me too\n\nPost 2:\nNo idea"
    )
    long = Thread(id="t", source="s", question=post(0, "q"), answers=[post(n, "é" * 300) for n in range(5)])
    assert discussion_text(long, 410).count("Post ") == 2
    assert discussion_text(long, 10) == "(no replies)"


@pytest.mark.parametrize(
    ("text", "answer", "malformed"),
    [
        ("Answer: \\boxed{7}", "7", False),
        ("**Answer:** $\\boxed{\\{1, 2\\}}$", "\\{1, 2\\}", False),
        ("\\boxed{1}\nAnswer: \\boxed{2}\nbut wait.\nAnswer: \\boxed{3}", "3", False),
        ("Answer: not found", None, False),
        ("Answer: Not found.", None, False),
        ("Answer: \\boxed{not found}", None, False),
        ("Answer: \\boxed{\\text{Not found}}", None, False),
        ("Answer: \\boxed{\\text{none}}", "\\text{none}", False),
        ("Answer: 7", None, True),
        ("\\boxed{7}", None, True),
        ("Answer: \\boxed{7", None, True),
        ("", None, True),
    ],
)
def test_answers(text, answer, malformed):
    assert curation.answer(text) == curation.Reply(answer, malformed)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Problem 1: a\nProblem 2: b", ["a", "b"]),
        ("problem 1. a", ["a"]),
        ("### Problem 1:\na\n\n> **Problem 2**: b", ["a", "b"]),
        ("Problem 1: as Problem 3: of\nProblem 5: is\nProblem 2: b", ["as Problem 3: of\nProblem 5: is", "b"]),
        ("Problem 1: a\nNo problem", ["a\nNo problem"]),
    ],
)
def test_lists_of_problems(text, found):
    assert curation.problems(text) == curation.Reply(found, False)


def test_classifiers_are_asked_in_the_paper_s_order():
    assert [classifier.reason for classifier in CLASSIFIERS] == ["proof", "multiple_choice", "binary", "invalid"]
