"""rl_prompts: problems whose reward is certain, with what is known of their difficulty, for reinforcement learning.

A problem is taken where rules alone decided every verdict, the source's reference stayed or enough votes carry the new
one, the answer is one short line, and the trainer's own checker agrees with each of our verdicts on stored answers.
Difficulty is counts, never a boolean: one entry of `passes` for each policy, mode and tool that has samples. A
curriculum is predicates over these counts in `curriculum.json`, not copies of rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from factory.errors import FactoryError
from factory.records import Judgement, Mode
from factory.settings import Strict
from factory.views.funnel import Funnel
from factory.views.problem import SolvedProblem
from factory.views.rl_rows import FORMS
from factory.views.trainer_checker import TrainerChecker
from factory.views.view import Inputs, Options, Row, Table, View

_DISAGREEMENT = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("problem_id", "reference", "answer", "method")),
        pa.field("samples", pa.int32()),
        pa.field("ours", pa.bool_()),
        pa.field("trainer", pa.bool_()),
    ]
)
AGENT = "math_with_judge_simple_agent"


class Stage(Strict):
    """One stage of a curriculum: which prompts, and how the policy is sampled."""

    name: str
    max_response: int = Field(ge=1)
    """Longest response, in the policy's tokens."""
    rollouts: int = Field(ge=1)
    """Samples of each prompt in a step."""
    mode: Mode = Mode.HIGH
    tool: bool = False
    policy: str = "teacher"
    """Whose pass counts decide: the role whose model drew the samples."""
    min_pass: float = Field(default=0.0, ge=0, le=1)
    """Least share of right samples."""
    max_pass: float = Field(default=1.0, ge=0, le=1)
    """Greatest share of right samples."""

    def sql(self, passes: str) -> str:
        """The predicate over a row, as DuckDB and other SQL engines with lambdas read it."""
        share = f"p.n > 0 AND p.passed >= {self.min_pass} * p.n AND p.passed <= {self.max_pass} * p.n"
        regime = f"p.mode = '{self.mode}' AND p.tool = {str(self.tool).lower()} AND p.policy = '{self.policy}'"
        return f"len(list_filter({passes}, lambda p: {regime} AND {share})) > 0"

    def takes(self, passes: list[dict[str, Any]]) -> bool:
        """The same predicate, here."""
        return any(
            (entry["mode"], entry["tool"], entry["policy"]) == (self.mode.value, self.tool, self.policy)
            and entry["n"] > 0
            and self.min_pass * entry["n"] <= entry["passed"] <= self.max_pass * entry["n"]
            for entry in passes
        )


_CURRICULUM = [
    Stage(name="8k", max_response=8192, rollouts=8),
    Stage(name="16k", max_response=16384, rollouts=16),
    Stage(name="24k", max_response=24576, rollouts=16, max_pass=0.375),
    Stage(name="32k", max_response=32768, rollouts=16, max_pass=0.375),
]


class RlOptions(Options):
    """Options of `rl_prompts`."""

    form: Literal["plain", "verl", "nemo_rl", "nemo_gym"] = "plain"
    """Whose rows: verl's Parquet, NeMo-RL's or NeMo-Gym's JSON lines, or plain columns."""
    min_vote_share: float = Field(0.5, ge=0, le=1)
    """Where the vote replaced the reference or there was none: the least share of votes that carries it."""
    max_answer_chars: int = Field(60, ge=1)
    """Longest reference, in characters; it must be one line."""
    max_answer_words: int = Field(10, ge=1)
    """Longest reference, in words."""
    min_length: int = Field(0, ge=0)
    """Least median length of right high-mode samples without Python, in the teacher's generated tokens."""
    check: bool = True
    """Run math-verify, as the trainers call it, over every stored answer, and take a problem only where it agrees."""
    check_timeout_s: float = Field(10.0, gt=0)
    """Time for one pair of answers; a pair that takes longer is a disagreement."""
    prompt: str = "{problem}\n\nPut the final answer inside \\boxed{{}}."
    """The prompt's text; {problem} stands for the problem, {{ and }} for braces."""
    agent: str = AGENT
    """NeMo-Gym: the agent that runs the prompts."""
    curriculum: list[Stage] = Field(default_factory=lambda: list(_CURRICULUM))
    """Stages; each is a predicate over the rows, and its prompts are counted."""


class RlPrompts(View[RlOptions]):
    """Prompts with a certain reward for verl, NeMo-RL and NeMo-Gym, with pass counts and a curriculum."""

    name = "rl_prompts"
    unit = "problems"
    options = RlOptions

    def tables(self, options: RlOptions, inputs: Inputs) -> Mapping[str, Table]:
        _render("x", options.prompt)
        form = FORMS[options.form]
        disagreements = Table(_DISAGREEMENT, split=False)
        return {"rl_prompts": Table(form.schema, form.suffix), "disagreements": disagreements}

    def rows(
        self, problems: Iterable[SolvedProblem], options: RlOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        form = FORMS[options.form]
        with TrainerChecker(options.check_timeout_s) as checker:
            for problem in problems:
                if reason := _reason(problem, options):
                    funnel.leave(reason)
                    continue
                disputed = _disagreements(problem, checker, funnel) if options.check else []
                yield from (Row("disagreements", row) for row in disputed)
                if disputed:
                    funnel.leave("trainer_disagrees")
                    continue
                funnel.use()
                row = _plain(problem)
                for stage in options.curriculum:
                    funnel.note(f"curriculum {stage.name}", int(stage.takes(row["passes"])))
                yield Row("rl_prompts", form.row(row, _render(problem.problem.text, options.prompt), options.agent))

    def documents(self, options: RlOptions, inputs: Inputs, funnel: Funnel) -> dict[str, bytes]:
        passes = FORMS[options.form].passes
        stages = [
            stage.model_dump(mode="json")
            | {"where": stage.sql(passes), "prompts": funnel.notes[f"curriculum {stage.name}"]}
            for stage in options.curriculum
        ]
        return {"curriculum.json": (json.dumps({"stages": stages}, indent=1) + "\n").encode()}

    def says(self, options: RlOptions, funnel: Funnel) -> list[str]:
        if not options.check:
            return ["The trainer's checker was not asked."]
        return [
            f"math-verify, called as the trainers do, compared {funnel.notes['pairs compared']:,} pairs of answers and "
            f"disagreed on {funnel.rows['disagreements']:,} (`reports/disagreements/`)."
        ]


def _reason(problem: SolvedProblem, options: RlOptions) -> str | None:
    """Why a problem is left out before the trainer's checker is asked; None if it is not."""
    verdict, answer = problem.verdict, problem.verdict.reference
    answered = [judgement for judgement in verdict.judgements if judgement.answer is not None]
    if not all(_by_rules(judgement) for judgement in answered):
        return "not_by_rules_alone"
    kept = verdict.original_reference is not None and not verdict.changed_to_majority
    if not kept and (verdict.vote_share or 0.0) < options.min_vote_share:
        return "weak_majority"
    if not answer.strip() or "\n" in answer.strip():
        return "answer_not_one_line"
    if len(answer) > options.max_answer_chars or len(answer.split()) > options.max_answer_words:
        return "answer_too_long"
    length = _length_right_high(problem)
    if options.min_length and (length is None or length < options.min_length):
        return "too_short"
    return None


def _by_rules(judgement: Judgement) -> bool:
    return judgement.symbolic is not None and judgement.symbolic == judgement.equal


def _disagreements(problem: SolvedProblem, checker: TrainerChecker, funnel: Funnel) -> list[dict[str, Any]]:
    """Stored answers on which the trainer's checker does not say what the run says."""
    answers: dict[tuple[str, bool], list[Judgement]] = defaultdict(list)
    for judgement in problem.verdict.judgements:
        if judgement.answer is not None and judgement.equal is not None:
            answers[judgement.answer, judgement.equal].append(judgement)
    found = []
    for (answer, ours), judged in sorted(answers.items()):
        trainer = checker.equal(problem.verdict.reference, answer)
        funnel.note("pairs compared")
        if trainer != ours:
            found.append(
                {
                    "problem_id": problem.id,
                    "reference": problem.verdict.reference,
                    "answer": answer,
                    "method": judged[0].method,
                    "samples": len(judged),
                    "ours": ours,
                    "trainer": trainer,
                }
            )
    return found


def _plain(problem: SolvedProblem) -> dict[str, Any]:
    verdict, attribution = problem.verdict, problem.problem.attribution
    return {
        "problem_id": problem.id,
        "problem": problem.problem.text,
        "answer": verdict.reference,
        "source": problem.problem.source,
        "license": attribution.license,
        "url": attribution.url,
        "reference_changed": verdict.changed_to_majority,
        "vote_share": verdict.vote_share,
        "difficulty": verdict.difficulty,
        "length_right_high": _length_right_high(problem),
        "passes": _passes(problem),
    }


def _passes(problem: SolvedProblem) -> list[dict[str, Any]]:
    """Counts for each task, policy, mode and tool. `truncated` are samples that a limit ended."""
    about = {sample.uid: sample.about for sample in problem.samples}
    groups: dict[tuple[str, str, str, bool], list[Judgement]] = defaultdict(list)
    for judgement in problem.verdict.judgements:
        groups[judgement.task, judgement.teacher, judgement.mode.value, judgement.tool].append(judgement)
    return [
        {
            "task": task,
            "policy": policy,
            "model": next((about[j.uid]["model"] for j in judged if j.uid in about), None),
            "mode": mode,
            "tool": tool,
            "max_tokens": max((about[j.uid]["max_tokens"] for j in judged if j.uid in about), default=None),
            "n": len(judged),
            "passed": sum(j.equal is True for j in judged),
            "undecided": sum(j.equal is None for j in judged),
            "truncated": sum(about[j.uid]["finish_reason"] != "stop" for j in judged if j.uid in about),
        }
        for (task, policy, mode, tool), judged in sorted(groups.items())
    ]


def _length_right_high(problem: SolvedProblem) -> float | None:
    """Median of generated tokens of right high-mode samples without Python; None if there are none."""
    lengths = [
        j.n_generated_tokens for j in problem.verdict.judgements if j.mode is Mode.HIGH and not j.tool and j.equal
    ]
    return float(median(lengths)) if lengths else None


def _render(problem: str, template: str) -> str:
    """The prompt. Raises `FactoryError` for a template that does not show the problem."""
    try:
        text = template.format(problem=problem)
    except (KeyError, IndexError, ValueError) as error:
        raise FactoryError(
            f"prompt {template!r} is no template", why=repr(error), remedy="write {problem} once, and {{ }} for braces"
        ) from None
    if problem not in text:
        raise FactoryError(f"prompt {template!r} does not show the problem", remedy="write {problem} where it stands")
    return text
