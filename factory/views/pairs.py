"""pairs: preference pairs from losing and winning samples of one problem, weighted so that each problem counts once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import pyarrow as pa

from factory.views.classes import (
    GROUP,
    MESSAGE_LIST,
    LabelOptions,
    completion,
    group_of_six,
    origin,
    origin_fields,
    user_message,
)
from factory.views.funnel import Funnel
from factory.views.problem import MESSAGES, SolvedProblem
from factory.views.view import Inputs, Row, Table, View

_ABOUT = [pa.field("weight", pa.float64()), pa.field("uid_right", pa.string()), pa.field("uid_wrong", pa.string())]
_COMPLETIONS = pa.list_(pa.struct([("rank", pa.int32()), ("completion", MESSAGE_LIST)]))
_FORMS = {
    "trl": [pa.field(name, MESSAGE_LIST) for name in ("prompt", "chosen", "rejected")],
    "nemo_rl": [pa.field("context", MESSAGE_LIST), pa.field("completions", _COMPLETIONS)],
}


class PairsOptions(LabelOptions):
    """Options of `pairs`."""

    form: Literal["trl", "nemo_rl"] = "trl"
    """TRL's prompt, chosen and rejected, or NeMo-RL's context and two ranked completions."""


class Pairs(View[PairsOptions]):
    """Preference pairs of right and wrong samples, k(6-k) of each problem, each with the weight 1/(k(6-k))."""

    name = "pairs"
    unit = "problems"
    options = PairsOptions

    def reads(self, options: PairsOptions) -> Sequence[str]:
        return MESSAGES

    def tables(self, options: PairsOptions, inputs: Inputs) -> Mapping[str, Table]:
        schema = pa.schema([*_FORMS[options.form], *_ABOUT, *origin_fields()])
        return {"pairs": Table(schema, repetitive=["problem_id", "problem", "reference", "source", "license"])}

    def rows(
        self, problems: Iterable[SolvedProblem], options: PairsOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        for problem in problems:
            group = group_of_six(problem, options)
            if isinstance(group, str):
                funnel.leave(group)
                continue
            funnel.use()
            right, wrong = group
            weight = 1 / (len(right) * (GROUP - len(right)))
            for winner, loser in product(right, wrong):
                chosen, rejected = completion(winner, options.text), completion(loser, options.text)
                about = {"weight": weight, "uid_right": winner.uid, "uid_wrong": loser.uid} | origin(problem)
                yield Row("pairs", about | _form(options.form, user_message(problem), chosen, rejected))


def _form(form: str, context: list[Any], chosen: list[Any], rejected: list[Any]) -> dict[str, Any]:
    if form == "trl":
        return {"prompt": context, "chosen": chosen, "rejected": rejected}
    ranked = [{"rank": rank, "completion": said} for rank, said in enumerate((chosen, rejected))]
    return {"context": context, "completions": ranked}
