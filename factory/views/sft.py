"""sft: one row for each published trace that is wanted, as messages for chat trainers or as tokens with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from factory.records import tool_name
from factory.views.funnel import Funnel
from factory.views.nemotron import PYTHON_TOOL_SCHEMA, SCHEMA, conversation
from factory.views.problem import MESSAGES, TOKENS, Sample, SolvedProblem
from factory.views.select import selected
from factory.views.training_rows import TokenOptions, tokenised, tokens_of
from factory.views.view import Inputs, Row, Table, View


class SftOptions(TokenOptions):
    """Options of `sft`."""

    form: Literal["messages", "tokens"] = "messages"
    """OpenAI messages with reasoning and tools, or `input_ids` and `labels` (-100 if there is no loss)."""


_ABOUT = [
    *(pa.field(name, pa.string()) for name in ("uid", "problem_id", "mode", "tool")),
    pa.field("n_tokens", pa.int32()),
    pa.field("difficulty", pa.float64()),
    pa.field("vote_share", pa.float64()),
    *(pa.field(name, pa.string()) for name in ("verified_by", "source", "license", "url", "user_name")),
]
_MESSAGES = [
    SCHEMA.field("messages"),
    SCHEMA.field("tools"),
    *(SCHEMA.field(n) for n in ("problem", "expected_answer")),
]
_TOKENS = [pa.field("input_ids", pa.list_(pa.int32())), pa.field("labels", pa.list_(pa.int32()))]
_REPETITIVE = ["problem_id", "mode", "tool", "verified_by", "source", "license", "problem", "expected_answer"]


class Sft(View[SftOptions]):
    """Published traces for supervised fine-tuning: messages, or tokens whose labels are exactly what was generated."""

    name = "sft"
    options = SftOptions

    def reads(self, options: SftOptions) -> Sequence[str]:
        return TOKENS if options.form == "tokens" and not _by_template(options) else MESSAGES

    def tables(self, options: SftOptions, inputs: Inputs) -> Mapping[str, Table]:
        if options.form == "tokens":
            tokens_of(options, inputs)
        form = _TOKENS if options.form == "tokens" else _MESSAGES
        schema = pa.schema([*form, *_ABOUT])
        return {"sft": Table(schema, repetitive=[name for name in _REPETITIVE if name in schema.names])}

    def rows(
        self, problems: Iterable[SolvedProblem], options: SftOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        if options.form == "tokens":
            for problem, sample, tokens in tokenised(problems, options, inputs, funnel):
                funnel.use()
                funnel.note("tokens", len(tokens.ids))
                funnel.note("tokens with loss", int(tokens.learnt.sum()))
                values: dict[str, Any] = {"input_ids": tokens.ids, "labels": tokens.labels}
                yield Row("sft", values | _about(problem, sample, len(tokens.ids)))
            return
        for problem, sample in selected(problems, options, funnel):
            funnel.use()
            values = {
                "messages": conversation(sample.messages),
                "tools": [PYTHON_TOOL_SCHEMA] if sample.key.tool else [],
                "problem": problem.problem.text,
                "expected_answer": problem.verdict.reference,
            }
            yield Row("sft", values | _about(problem, sample, sample.n_tokens))


def _by_template(options: SftOptions) -> bool:
    return options.student is not None and options.render == "template"


def _about(problem: SolvedProblem, sample: Sample, n_tokens: int) -> dict[str, Any]:
    attribution = problem.problem.attribution
    return {
        "uid": sample.uid,
        "problem_id": problem.id,
        "mode": sample.key.mode.value,
        "tool": tool_name(sample.key.tool),
        "n_tokens": n_tokens,
        "difficulty": problem.verdict.difficulty,
        "vote_share": problem.verdict.vote_share,
        "verified_by": sample.judgement.method if sample.judgement else None,
        "source": problem.problem.source,
        "license": attribution.license,
        "url": attribution.url,
        "user_name": attribution.user_name,
    }
