"""The published row: the fields of the Nemotron-Math release, and where each of them came from.

The released fields have the names and forms of the release (nvidia/Nemotron-Math-v2, as its readers describe it);
this is the second and last place that spells column types, because that schema is not ours to derive. The rest is
provenance: the very tokens, who wrote which of them, and how they were drawn.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from factory.arrow import schema, to_dict
from factory.records import PYTHON_TOOL, Annotation, Judgement, Mode, Problem, Regime, Trace, Verdict
from factory.views import evidence

REGIMES = [f"reason_{mode}_{tool}" for mode in Mode for tool in ("with_tool", "no_tool")]
_NAMESPACE = uuid.UUID("7a3a4a52-0c0b-5d0e-9e3b-4a7c1c6f2d10")  # any fixed one: a trace's uuid follows from its uid

_TRACE = schema(Trace)
_REGIME = pa.struct([("count", pa.int32()), ("pass", pa.int32()), ("accuracy", pa.float64())])
_TEXT_WITH_TYPE = pa.struct([("type", pa.string()), ("description", pa.string())])
_PARAMETERS = pa.struct(
    [
        ("type", pa.string()),
        ("properties", pa.struct([("code", _TEXT_WITH_TYPE)])),
        ("required", pa.list_(pa.string())),
    ]
)
_FUNCTION = pa.struct([("name", pa.string()), ("description", pa.string()), ("parameters", _PARAMETERS)])

_RELEASED = [
    pa.field("problem", pa.string()),
    pa.field("expected_answer", pa.string()),
    pa.field("original_expected_answer", pa.string()),
    pa.field("changed_answer_to_majority", pa.bool_()),
    pa.field("data_source", pa.string()),
    pa.field("messages", _TRACE.field("messages").type),
    pa.field("tools", pa.list_(pa.struct([("type", pa.string()), ("function", _FUNCTION)]))),
    pa.field("metadata", pa.struct([(name, _REGIME) for name in REGIMES])),
    pa.field("license", pa.string()),
    pa.field("used_in", pa.list_(pa.string())),
    pa.field("uuid", pa.string()),
    pa.field("url", pa.string()),
    pa.field("user_url", pa.string()),
    pa.field("user_name", pa.string()),
]
# Provenance. `reasoning_mode` and `with_tool` are not called mode and tool: the directories already give those names.
_DERIVED = [
    pa.field("problem_id", pa.string()),
    pa.field("reasoning_mode", pa.string()),
    pa.field("with_tool", pa.bool_()),
    pa.field("n_tokens", pa.int32()),
    pa.field("verified_by", pa.string()),
    pa.field("judge", pa.bool_()),
    pa.field("difficulty", pa.float64()),
    pa.field("contributors", schema(Problem).field("contributors").type),
    pa.field("recipe_fingerprint", pa.string()),
]
_COPIED = {  # published name -> field of the trace
    "sample": "sample",
    "attempt": "attempt",
    "uid": "uid",
    "predicted_answer": "answer",
    "token_ids": "token_ids",
    "mask": "mask",
    "tool_call_records": "tool_calls",
    "finish_reason": "finish_reason",
    "n_prompt_tokens": "n_prompt_tokens",
    "n_generated_tokens": "n_generated_tokens",
    "n_tool_tokens": "n_tool_tokens",
    "n_regenerated_tokens": "n_regenerated_tokens",
    "seconds": "seconds",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_tokens",
    "engine": "engine",
    "model": "model",
    "model_revision": "model_revision",
    "dialect": "dialect",
    "prompt_fingerprint": "prompt_fingerprint",
}
SCHEMA = pa.schema([*_RELEASED, *_DERIVED, *(pa.field(name, _TRACE.field(old).type) for name, old in _COPIED.items())])
# Columns whose values repeat from row to row; a dictionary only costs time on the others.
REPETITIVE = ["problem", "expected_answer", "original_expected_answer", "data_source", "license", "url", "user_url"]
REPETITIVE += ["user_name", "problem_id", "reasoning_mode", "verified_by", "finish_reason", "recipe_fingerprint"]
REPETITIVE += ["engine", "model", "model_revision", "dialect", "prompt_fingerprint", "predicted_answer"]

PYTHON_TOOL_SCHEMA = {
    "type": "function",
    "function": {
        "name": PYTHON_TOOL,
        "description": "Run Python code in a session that keeps its state from call to call.",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The code to run."}},
            "required": ["code"],
        },
    },
}


_ANNOTATION = pa.struct(
    [
        ("value", pa.float64()),
        ("text", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("license", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class NemotronMath:
    """A `View`: the columns of `SCHEMA`, and after them what one run's journal has besides.

    `annotations` are names of annotations, each a column `annotation_NAME`. `keyed` tells that samples were drawn for
    other tasks or by other teachers than the usual ones, and adds the columns `task` and `teacher`. `row_version` 2
    adds those of `evidence`.
    """

    annotations: tuple[str, ...] = ()
    keyed: bool = False
    row_version: int = 1

    @property
    def identity(self) -> str:
        return ""

    @property
    def schema(self) -> pa.Schema:
        keys = [pa.field(name, pa.string()) for name in ("task", "teacher")] if self.keyed else []
        said = [pa.field(f"annotation_{name}", _ANNOTATION) for name in self.annotations]
        return pa.schema([*SCHEMA, *self._evidence, *keys, *said])

    @property
    def repetitive(self) -> list[str]:
        return [*REPETITIVE, *(evidence.REPETITIVE if self._evidence else ())]

    @property
    def _evidence(self) -> list[pa.Field]:
        return evidence.EVIDENCE if self.row_version > 1 else []

    def extended(self, annotations: Sequence[str], *, keyed: bool, row_version: int) -> NemotronMath:
        return NemotronMath(tuple(annotations), keyed, row_version)

    def rows(
        self,
        traces: pa.Table,
        verdicts: Sequence[Verdict],
        judged: Sequence[Judgement],
        annotations: Sequence[dict[str, Annotation]],
        fingerprint: str,
    ) -> pa.Table:
        known = {verdict.problem.id: self._about_problem(verdict) for verdict in verdicts}
        about = [known[v.problem.id] | _about_sample(j) for v, j in zip(verdicts, judged, strict=True)]
        table = _released(traces, about, fingerprint, [*SCHEMA, *self._evidence])
        for name in ("task", "teacher") if self.keyed else ():
            table = table.append_column(name, traces[name])
        for name in self.annotations:
            said = [to_dict(found[name]) if name in found else None for found in annotations]
            table = table.append_column(f"annotation_{name}", pa.array(said, _ANNOTATION))
        return table.cast(self.schema)

    def _about_problem(self, verdict: Verdict) -> dict[str, Any]:
        return _problem(verdict) | (evidence.evidence(verdict) if self._evidence else {})


def _released(traces: pa.Table, about: list[dict[str, Any]], fingerprint: str, fields: list[pa.Field]) -> pa.Table:
    """`about` says of each trace what does not stand in it."""
    columns: dict[str, Any] = {name: traces[old] for name, old in _COPIED.items()}
    columns["uuid"] = [str(uuid.uuid5(_NAMESPACE, uid)) for uid in traces["uid"].to_pylist()]
    columns["recipe_fingerprint"] = [fingerprint] * traces.num_rows
    columns["messages"] = [conversation(messages) for messages in traces["messages"].to_pylist()]
    columns["reasoning_mode"], columns["with_tool"] = traces["mode"], traces["tool"]
    columns["n_tokens"] = pc.list_value_length(traces["token_ids"])
    return pa.table(
        [_column(columns[f.name] if f.name in columns else [row[f.name] for row in about], f.type) for f in fields],
        schema=pa.schema(fields),
    )


def _about_sample(judgement: Judgement) -> dict[str, Any]:
    return {
        "tools": [PYTHON_TOOL_SCHEMA] if judgement.tool else [],
        "verified_by": judgement.method,
        "judge": judgement.judge,
    }


def _problem(verdict: Verdict) -> dict[str, Any]:
    """What each row of a problem says about it."""
    problem = verdict.problem
    return {
        "problem": problem.text,
        "expected_answer": verdict.reference,
        "original_expected_answer": verdict.original_reference,
        "changed_answer_to_majority": verdict.changed_to_majority,
        "data_source": problem.source,
        "metadata": _metadata(verdict.regimes),
        "license": problem.attribution.license,
        "used_in": [],
        "url": problem.attribution.url,
        "user_url": problem.attribution.user_url,
        "user_name": problem.attribution.user_name,
        "problem_id": problem.id,
        "difficulty": verdict.difficulty,
        "contributors": [to_dict(contributor) for contributor in problem.contributors],
    }


def _metadata(regimes: list[Regime]) -> dict[str, Any]:
    """All six regimes; one that was not sampled has a count of zero and no accuracy."""
    empty = {"count": 0, "pass": 0, "accuracy": None}
    known = {r.name: {"count": r.count, "pass": r.passed, "accuracy": r.accuracy} for r in regimes if r.count}
    return {name: known.get(name, empty) for name in REGIMES}


def conversation(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The released form holds what was asked, said and computed; the system's part is in the tokens and the prompt."""
    return [message for message in messages if message["role"] in ("user", "assistant", "tool")]


def _column(values: Any, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return values.cast(kind) if isinstance(values, pa.ChunkedArray) else pa.array(values, type=kind)
