"""`factory report URI`: one HTML file about a finished or running run, from storage alone; opens without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Protocol

from factory.errors import FactoryError
from factory.planning.cost import Cost
from factory.planning.cost import cost as priced
from factory.recipe import Prices
from factory.report import decontamination_page, sections, spending
from factory.report.gather import PageData, gather
from factory.report.html import Section, document, tiles
from factory.report.plots import short
from factory.report.status import Status
from factory.store.run import Run


class Sections(Protocol):
    """The sections of a page, in order, of what was gathered and what the run has cost so far."""

    def __call__(self, found: PageData, cost: Cost | None) -> Iterable[Section]: ...


def dataset_sections(found: PageData, cost: Cost | None) -> list[Section]:
    """What there is to show of a run that makes a dataset."""
    kept = found.manifest.report.published if found.manifest else found.verdicts.right
    return [
        sections.funnel(found.stages, not found.finished),
        sections.rejects(found.rejects, found.stages),
        sections.lengths(found.traces, found.manifest),
        sections.pass_rates(found.verdicts),
        sections.verification(found.verdicts),
        sections.tools(found.traces),
        spending.engine_time(found.usages, cost),
        *_decontamination(found),
        spending.cost(found.usages, cost, kept, found.status.hours_left),
        sections.side_by_side(found.example),
        sections.making(found.run.recipe, found.run.fingerprint, found.run.manifest.get("versions", {})),
    ]


def report(
    uri: str, out: str | Path, prices: Prices | None = None, shown: Callable[[Run], Sections] | None = None
) -> str:
    """Write the page of the run at `uri` to the file `out`; returns a line that says so.

    `shown` gives the sections of a run's kind. Raises `FactoryError` if there is no run, or the file cannot be
    written.
    """
    found = gather(uri, prices)
    html = render(found, prices, shown(found.run) if shown else dataset_sections)
    target = Path(out)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(html, encoding="utf-8", errors="replace")
    except OSError as error:
        raise FactoryError(f"cannot write {target}", why=error.strerror or str(error)) from None
    return f"{target} ({len(html.encode(errors='replace')) / 1e6:.1f} MB)"


def render(found: PageData, prices: Prices | None = None, shown: Sections = dataset_sections) -> str:
    """The page as text."""
    now, whole = found.status, priced(found.usages, prices)
    kept = found.manifest.report.published if found.manifest else found.verdicts.right
    under = f"{escape(now.uri)}, recipe {now.fingerprint}; {_progress(found)}; read {found.at:%Y-%m-%d %H:%M} UTC"
    head = tiles(_figures(found, now, kept, spending.money(whole.total) if whole else ""))
    return document(f"Run {now.name}", under, list(shown(found, whole)), head)


def _decontamination(found: PageData) -> list[Section]:
    if found.decontamination is None:
        return []
    return [
        decontamination_page.section(found.decontamination),
        *decontamination_page.reading(found.decontamination),
    ]


def _progress(found: PageData) -> str:
    now = found.status
    if found.manifest:
        return f"published as version {found.manifest.version}"
    if now.total is None:
        return "sources are being read"
    left = "" if now.hours_left is None or found.finished else f", about {now.hours_left:.1f} h left"
    return f"{now.finished:,} of {now.total:,} rows finished{left}"


def _figures(found: PageData, now: Status, kept: int, money: str) -> list[tuple[str, str]]:
    entries = [
        (short(now.total) if now.total is not None else "?", "problems and threads in"),
        (short(found.verdicts.problems), "problems with a verdict"),
        (short(found.traces.rows), "samples drawn"),
        (short(kept), "traces published" if found.manifest else "right so far"),
        (short(sum(found.traces.tokens.values())), "tokens generated"),
        (money, "cost so far"),
    ]
    return [(number, what) for number, what in entries if number]
