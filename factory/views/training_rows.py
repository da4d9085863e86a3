"""What `sft` and `packed` share: their options, and traces in the tokens that the trainer is to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from factory.errors import FactoryError
from factory.views.funnel import Funnel
from factory.views.problem import Sample, SolvedProblem
from factory.views.select import TraceOptions, selected
from factory.views.student import (
    Render,
    Tokens,
    Unrendered,
    as_published,
    by_template,
    chat_student,
    literal,
    tokenizer_of,
)
from factory.views.view import Inputs


class TokenOptions(TraceOptions):
    """Options of a view that may write tokens."""

    student: str | None = None
    """Model directory or Hub name whose tokenizer the tokens are to be of; none keeps the teacher's, as published."""
    render: Render = "literal"
    """For a student: the teacher's text, control tokens spelled out (literal), or its own chat template (template)."""
    teacher: str | None = None
    """Model directory of the teacher's tokenizer, if it is not where the run's recipe says."""


def tokens_of(options: TokenOptions, inputs: Inputs) -> Callable[[Sample], Tokens]:
    """How a trace becomes tokens. Raises `FactoryError` if a tokenizer or a template is not there."""
    if options.student is None:
        return as_published
    if options.render == "template":
        chat = chat_student(options.student)
        return lambda sample: by_template(sample, chat)
    source = inputs.recipe.get("teacher") or {}
    name = options.teacher or source.get("model")
    if name is None:
        raise FactoryError(
            "the run does not say which tokenizer its tokens are of", remedy="name it: --set teacher=MODEL_DIRECTORY"
        )
    teacher = tokenizer_of(name, None if options.teacher else source.get("revision"))
    student = tokenizer_of(options.student)
    return lambda sample: literal(as_published(sample), teacher, student)


def tokenised(
    problems: Iterable[SolvedProblem], options: TokenOptions, inputs: Inputs, funnel: Funnel
) -> Iterator[tuple[SolvedProblem, Sample, Tokens]]:
    """The selected traces as tokens. Counts those that are left out."""
    convert = tokens_of(options, inputs)
    for problem, sample in selected(problems, options, funnel):
        try:
            tokens = convert(sample)
        except Unrendered as reason:
            funnel.leave(str(reason))
            continue
        if tokens.learnt.any():
            yield problem, sample, tokens
        else:
            funnel.leave("nothing_to_learn")
