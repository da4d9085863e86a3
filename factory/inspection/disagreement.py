"""`factory disagreement URI`: how often rules, judge model and majority agree over a run's samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from factory.records import Verdict
from factory.report.columnar import flat
from factory.store.run import Run

_VIEWS = ("symbolic", "judge", "majority", "rule")


@dataclass(frozen=True, slots=True)
class SampleOpinions:
    """Three opinions on one sample; None if one has none (undecided, not asked, no majority)."""

    symbolic: bool | None
    judge: bool | None
    majority: bool | None
    rule: str | None = None
    """The rule that gave `symbolic`."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How often the three opinions agree: a table of (symbolic, judge, majority) -> samples."""

    table: dict[tuple[bool | None, bool | None, bool | None], int]
    by_rule: dict[tuple[str, bool | None, bool | None], int] = field(default_factory=dict)
    """(rule, symbolic, judge) -> samples that the judge model saw."""

    @property
    def total(self) -> int:
        return sum(self.table.values())

    def between(self, one: str, other: str) -> tuple[int, int]:
        """(samples on which `one` and `other` both have an opinion and differ, samples on which both have one)."""
        places = {"symbolic": 0, "judge": 1, "majority": 2}
        pairs = [(key[places[one]], key[places[other]], n) for key, n in self.table.items()]
        both = [(a, b, n) for a, b, n in pairs if a is not None and b is not None]
        return sum(n for a, b, n in both if a != b), sum(n for _, _, n in both)

    def lines(self) -> list[str]:
        """The table as text, the most frequent combination first, then the pairwise rates."""
        words = {True: "yes", False: "no", None: "-"}
        rows = [f"{'symbolic':>8}  {'judge':>5}  {'majority':>8}  samples"]
        for (symbolic, judge, majority), n in sorted(self.table.items(), key=lambda item: -item[1]):
            rows.append(f"{words[symbolic]:>8}  {words[judge]:>5}  {words[majority]:>8}  {n:>7}")
        for one, other in (("symbolic", "judge"), ("symbolic", "majority"), ("judge", "majority")):
            differ, both = self.between(one, other)
            rows.append(f"{one} and {other} differ on {differ} of {both}")
        return rows + self._rule_lines()

    def _rule_lines(self) -> list[str]:
        """Rule by rule, what the judge said of its verdicts; the rule with the most contradictions first."""
        rules = sorted({rule for rule, _, _ in self.by_rule}, key=lambda rule: (-self.contradicted(rule)[0], rule))
        if not rules:
            return []
        rows = ["", f"{'rule':>20}  {'judged':>7}  {'differ':>7}  {'open: yes':>9}  {'open: no':>8}"]
        for rule in rules:
            differ, judged = self.contradicted(rule)
            undecided = [self.by_rule.get((rule, None, said), 0) for said in (True, False)]
            rows.append(f"{rule:>20}  {judged:>7}  {differ:>7}  {undecided[0]:>9}  {undecided[1]:>8}")
        return rows

    def contradicted(self, rule: str) -> tuple[int, int]:
        """(samples on which the judge says otherwise than this rule, samples on which both have an opinion)."""
        said = [(a, b, n) for (name, a, b), n in self.by_rule.items() if name == rule and None not in (a, b)]
        return sum(n for a, b, n in said if a != b), sum(n for _, _, n in said)


def disagreement(views: Iterable[SampleOpinions]) -> Disagreement:
    """Tabulate opinions. `majority` is whether a sample is in the winning class of its problem's vote."""
    seen = list(views)
    return Disagreement(
        dict(Counter((v.symbolic, v.judge, v.majority) for v in seen)),
        dict(Counter((v.rule, v.symbolic, v.judge) for v in seen if v.rule is not None and v.judge is not None)),
    )


def of_run(uri: str) -> Disagreement:
    """Over all judged samples of problems whose verdict counts."""
    verdicts = Run.attach(uri).reader().counted(Verdict, [f"judgements.list.element.{name}" for name in _VIEWS])
    judgements = (row for _, _, table in verdicts for row in flat(table["judgements"]).to_pylist())
    return disagreement(SampleOpinions(*(judgement.get(name) for name in _VIEWS)) for judgement in judgements)
