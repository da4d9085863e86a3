"""Curate: one forum thread in; its problems with reference answers out, and a reject for everything that is none.

The steps and their order are Nemotron-Math's (arXiv 2512.15489, section 2; facts: section 1.3): extract the problems,
leave out proofs, multiple choice, yes-or-no questions and what cannot be solved as stated, then look for the answer.

Every prompt begins with one text that explains all tasks, then comes the thread's first post, then (only where they are
read) the replies, and last what differs from step to step. An engine that caches prefixes so computes the explanation
once in its life and each post once in its thread; a thread without problems costs no replies at all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from factory.programs import curation
from factory.programs.asking import Asker
from factory.programs.program import Outcome, Program, always
from factory.programs.thread_text import discussion_text, question_text
from factory.recipe import Curate, Recipe
from factory.records import CuratedThread, Problem, Reject, Thread

STAGE = "curate"
MALFORMED = "malformed"  # the key of `Problem.steps` that names the steps whose reply could not be read


@dataclass(frozen=True, slots=True)
class Classifier:
    """A question with two answers; the first one ends a problem's way with `reason`."""

    prompt: str
    yes: str
    no: str
    reason: str


CLASSIFIERS = (
    Classifier("classify_proof", "Proof", "Result", "proof"),
    Classifier("classify_multiple_choice", "Choice", "Open", "multiple_choice"),
    Classifier("classify_binary", "Binary", "Open", "binary"),
    Classifier("classify_invalid", "Invalid", "Valid", "invalid"),
)
PROMPTS = ("extract_problems", *(classifier.prompt for classifier in CLASSIFIERS), "convert_proof", "extract_answer")
_DEFAULTS = Curate()


async def curate(thread: Thread, ctx: Asker, settings: Curate = _DEFAULTS) -> list[Problem | Reject]:
    """The problems of a thread, each a `Problem` or a `Reject`; a thread without any is one reject.

    The raw reply of each step stays on the row, in `Problem.steps`. A reply that cannot be read takes its step's
    default (no problem, not of this kind, no answer), and `steps["malformed"]` names the step.
    """
    question = question_text(thread)
    text = await ctx.ask("curator", "extract_problems", {"question": question})
    extracted = curation.problems(text)
    if not extracted.value:
        reason = "malformed_extraction" if extracted.malformed else "no_problem"
        return [Reject.of(thread, STAGE, reason, text)]
    problems = [
        _problem(thread, number, words, text, malformed=extracted.malformed)
        for number, words in enumerate(extracted.value, 1)
    ]
    runs = (_Curation(ctx, settings, thread, question, problem).run() for problem in problems)
    return list(await asyncio.gather(*runs))


class _Curation:
    """One problem on its way through the steps."""

    def __init__(self, ctx: Asker, settings: Curate, thread: Thread, question: str, problem: Problem) -> None:
        self._ctx, self._settings, self._thread = ctx, settings, thread
        self._question, self._problem = question, problem

    async def run(self) -> Problem | Reject:
        for classifier in CLASSIFIERS:
            if not await self._is(classifier):
                continue
            if classifier.reason == "proof" and self._settings.convert_proofs and await self._convert():
                return self._problem
            return self._reject(classifier.reason)
        await self._find_answer()
        return self._problem

    async def _is(self, classifier: Classifier) -> bool:
        text = await self._ask(classifier.prompt)
        reply = curation.says(text, classifier.yes, classifier.no)
        self._note(classifier.prompt, text, malformed=reply.malformed)
        return reply.value

    async def _convert(self) -> bool:
        """Whether the proof became a problem with a result. It goes without an answer, as no reply gives one."""
        text = await self._ask("convert_proof")
        reply = curation.converted(text)
        self._note("convert_proof", text, malformed=reply.malformed)
        if reply.value is not None:
            self._problem = replace(self._problem, text=reply.value)
        return reply.value is not None

    async def _find_answer(self) -> None:
        discussion = discussion_text(self._thread, self._settings.max_discussion_tokens)
        text = await self._ask("extract_answer", discussion=discussion)
        reply = curation.answer(text)
        self._note("extract_answer", text, malformed=reply.malformed)
        if reply.value is not None:
            contributors = [post.attribution for post in self._thread.answers]
            self._problem = replace(self._problem, answer=reply.value, contributors=contributors)

    async def _ask(self, prompt: str, **more: str) -> str:
        variables = {"question": self._question, "problem": self._problem.text, **more}
        return await self._ctx.ask("curator", prompt, variables)

    def _note(self, step: str, text: str, *, malformed: bool) -> None:
        self._problem = replace(self._problem, steps=_noted(self._problem.steps, step, text, malformed=malformed))

    def _reject(self, reason: str) -> Reject:
        malformed = self._problem.steps.get(MALFORMED)
        return Reject.of(self._problem, STAGE, reason, f"malformed replies: {malformed}" if malformed else "")


def _problem(thread: Thread, number: int, words: str, reply: str, *, malformed: bool) -> Problem:
    return Problem(
        id=f"{thread.id}/{number}",
        text=words,
        source=thread.source,
        attribution=thread.question.attribution,
        steps=_noted({}, "extract_problems", reply, malformed=malformed),
        position=thread.position,
    )


def _noted(steps: dict[str, str], step: str, text: str, *, malformed: bool) -> dict[str, str]:
    steps = {**steps, step: text}
    if malformed:
        steps[MALFORMED] = ", ".join(filter(None, [steps.get(MALFORMED), step]))
    return steps


async def _curate(thread: Thread, ctx: Asker, recipe: Recipe) -> Outcome:
    """A thread ends as `CuratedThread`, with a reject for each problem that does not go on, or as a reject itself."""
    found = await curate(thread, ctx, recipe.curate)
    problems = [row for row in found if isinstance(row, Problem)]
    rejects = [row for row in found if isinstance(row, Reject)]
    if any(reject.kind == "thread" for reject in rejects):
        return Outcome(rejects)
    ending = CuratedThread(thread_id=thread.id, source=thread.source, problems=problems, n_found=len(found))
    return Outcome([*rejects, ending], problems)


CURATE = Program(STAGE, Thread, _curate, role=always("curator"), passes_on=Problem)
