"""reward_groups: six samples of each problem with their labels, for a listwise reward model (AceMath)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from factory.records import tool_name
from factory.store.ids import hash_of
from factory.views.classes import (
    MESSAGE_LIST,
    LabelOptions,
    completion,
    decided_by,
    group_of_six,
    origin,
    origin_fields,
)
from factory.views.funnel import Funnel
from factory.views.problem import MESSAGES, SolvedProblem
from factory.views.view import Inputs, Row, Table, View

_CANDIDATE = pa.struct(
    [
        ("uid", pa.string()),
        ("completion", MESSAGE_LIST),
        ("label", pa.bool_()),
        ("answer", pa.string()),
        ("decided_by", pa.string()),
        ("mode", pa.string()),
        ("tool", pa.string()),
        ("model", pa.string()),
    ]
)
_SCHEMA = pa.schema([*origin_fields(), pa.field("k", pa.int32()), pa.field("candidates", pa.list_(_CANDIDATE))])


class RewardGroups(View[LabelOptions]):
    """Six labelled samples of each problem, k right and 6-k wrong, as near to balance as there are samples."""

    name = "reward_groups"
    unit = "problems"
    options = LabelOptions

    def reads(self, options: LabelOptions) -> Sequence[str]:
        return MESSAGES

    def tables(self, options: LabelOptions, inputs: Inputs) -> Mapping[str, Table]:
        return {"reward_groups": Table(_SCHEMA)}

    def rows(
        self, problems: Iterable[SolvedProblem], options: LabelOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        for problem in problems:
            group = group_of_six(problem, options)
            if isinstance(group, str):
                funnel.leave(group)
                continue
            funnel.use()
            right, wrong = group
            candidates = [
                {
                    "uid": sample.uid,
                    "completion": completion(sample, options.text),
                    "label": sample.right,
                    "answer": sample.about["answer"],
                    "decided_by": decided_by(sample),
                    "mode": sample.key.mode.value,
                    "tool": tool_name(sample.key.tool),
                    "model": sample.about["model"],
                }
                # not the right ones first: the place would be the label
                for sample in sorted([*right, *wrong], key=lambda sample: hash_of(f"place\0{sample.uid}"))
            ]
            yield Row("reward_groups", origin(problem) | {"k": len(right), "candidates": candidates})
