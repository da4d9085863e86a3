"""selection_groups: candidate solutions of one problem among which a model picks the best (GenSelect).

Sizes and caps are those of OpenMathReasoning: 2 to 16 candidates, at least one right and one wrong, right ones thinned
to at most as many as wrong ones, sizes from a normal distribution cut at both ends, up to eight distinct groups of a
problem in sixteen tries, none above 100,000 characters; of a long solution its last 3,000 characters, from the first
whole paragraph on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from pydantic import Field

from factory.store.ids import hash_of
from factory.views.classes import LabelOptions, final_text, origin, origin_fields, sure
from factory.views.funnel import Funnel
from factory.views.problem import MESSAGES, Sample, SolvedProblem
from factory.views.view import Inputs, Row, Table, View

LEAST, MOST, TRIES, SHOWN_CHARS = 4, 16, 16, 3000
_CANDIDATE = pa.struct([("uid", pa.string()), ("text", pa.string()), ("answer", pa.string()), ("right", pa.bool_())])
_SCHEMA = pa.schema(
    [*origin_fields(), pa.field("candidates", pa.list_(_CANDIDATE)), pa.field("right", pa.list_(pa.int32()))]
)


class SelectionOptions(LabelOptions):
    """Options of `selection_groups`. A solution's text is its final message, whatever `text` says."""

    groups: int = Field(8, ge=1)
    """Most groups of one problem."""
    max_group_chars: int = Field(100_000, ge=1)
    """Longest group to take, in characters of its candidates."""
    seed: int = 10
    """Another seed draws other groups."""


class SelectionGroups(View[SelectionOptions]):
    """Groups of 2 to 16 solutions of one problem, right and wrong, for a model that selects the best."""

    name = "selection_groups"
    unit = "problems"
    options = SelectionOptions

    def reads(self, options: SelectionOptions) -> Sequence[str]:
        return MESSAGES

    def tables(self, options: SelectionOptions, inputs: Inputs) -> Mapping[str, Table]:
        return {"selection_groups": Table(_SCHEMA)}

    def rows(
        self, problems: Iterable[SolvedProblem], options: SelectionOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        for problem in problems:
            right, wrong = (list(filter(_boxed_once, samples)) for samples in sure(problem, options))
            right = right[: len(wrong)]
            if not right or not wrong:
                funnel.leave("one_class")
            elif len(right) + len(wrong) < LEAST:
                funnel.leave("fewer_than_four")
            elif not (groups := _groups(problem, right, wrong, options)):
                funnel.leave("groups_too_long")
            else:
                funnel.use()
                for group in groups:
                    candidates = [
                        {"uid": one.uid, "text": _shown(one), "answer": one.about["answer"], "right": one.right}
                        for one in group
                    ]
                    places = [place for place, one in enumerate(group) if one.right]
                    yield Row("selection_groups", origin(problem) | {"candidates": candidates, "right": places})


def _groups(
    problem: SolvedProblem, right: list[Sample], wrong: list[Sample], options: SelectionOptions
) -> list[list[Sample]]:
    """Distinct groups, each shuffled; the draw depends on the problem and the seed alone."""
    draw = random.Random(hash_of(f"{options.seed}\0{problem.id}"))
    found: dict[frozenset[str], list[Sample]] = {}
    most = min(len(right) + len(wrong), MOST)
    for _ in range(TRIES):
        size = _size(draw, most)
        n_right = draw.randint(max(1, size - len(wrong)), min(len(right), size - 1))
        group = draw.sample(right, n_right) + draw.sample(wrong, size - n_right)
        draw.shuffle(group)
        if sum(len(_shown(one)) for one in group) <= options.max_group_chars:
            found.setdefault(frozenset(one.uid for one in group), group)
        if len(found) == options.groups:
            break
    return list(found.values())


def _size(draw: random.Random, most: int) -> int:
    """A whole number from a normal distribution, cut at 2 and `most`."""
    while True:
        size = draw.gauss((most + 2) // 2, (most - 2) / 6)
        if 2 <= size < most + 1:
            return int(size)


def _boxed_once(sample: Sample) -> bool:
    return sample.about["answer"] is not None and final_text(sample).count("\\boxed") == 1


def _shown(sample: Sample) -> str:
    """The solution, or of a long one its end from a paragraph's beginning on."""
    text = final_text(sample).strip()
    if len(text) <= SHOWN_CHARS:
        return text
    end = text[-SHOWN_CHARS:]
    _, paragraph, rest = end.partition("\n\n")
    return rest if paragraph else end
