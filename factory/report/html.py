"""The shell of a report page: one HTML file with its style inside, no scripts, no network. Readable on paper, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from factory.report.plots import GRID, INK, MUTED

_LAYOUT = f"""
.plots {{ display: flex; flex-wrap: wrap; gap: 18px 30px; margin: 14px 0 8px }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 6px 26px; border-top: 1px solid {GRID}; padding: 12px 0 }}
.why {{ grid-column: 1 / -1; font-size: 13px }}
.side {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(310px, 1fr)); gap: 22px }}
.side > div {{ min-width: 0; border-top: 4px solid {GRID}; padding-top: 6px }}
.side pre {{ white-space: pre-wrap; overflow-wrap: anywhere }}
""".strip()
STYLE = f"""
:root {{ color-scheme: light }}
* {{ box-sizing: border-box }}
body {{ font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: {INK};
  max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; background: #fff }}
h1 {{ font-size: 27px; line-height: 1.2; margin: 0 0 4px }}
h2 {{ font-size: 20px; margin: 46px 0 6px; padding-top: 14px; border-top: 2px solid {INK} }}
h3 {{ font-size: 15px; margin: 22px 0 6px }}
p {{ max-width: 78ch; margin: 6px 0 12px }}
.sub, .lead, .why, figcaption {{ color: {MUTED} }}
.sub {{ font-size: 13.5px; overflow-wrap: anywhere }}
nav {{ display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 18px 0 0; padding: 8px 0; font-size: 14px;
  border-top: 1px solid {GRID}; border-bottom: 1px solid {GRID} }}
a {{ color: #2f55b7; text-decoration: none }} a:hover {{ text-decoration: underline }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(152px, 1fr)); gap: 12px; margin: 22px 0 0 }}
.tile {{ background: #f4f6f9; border-radius: 6px; padding: 10px 14px }}
.tile b {{ display: block; font-size: 23px; line-height: 1.3; font-variant-numeric: tabular-nums }}
.tile span {{ color: {MUTED}; font-size: 13px }}
table {{ border-collapse: collapse; margin: 12px 0 18px; font-size: 14px }}
th, td {{ border-bottom: 1px solid {GRID}; padding: 5px 12px 5px 0; text-align: left; vertical-align: top }}
th {{ font-weight: 600; border-bottom-color: {MUTED} }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 12px }}
{_LAYOUT}
svg {{ max-width: 100%; height: auto; display: block }}
.pair > div, pre {{ white-space: pre-wrap; overflow-wrap: anywhere }}
pre {{ font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; background: #f4f6f9; border-radius: 4px;
  padding: 8px 10px; margin: 6px 0 }}
details {{ margin: 10px 0 }} summary {{ cursor: pointer; color: #2f55b7 }}
.warn {{ border-left: 4px solid #dd8a1b; background: #fdf5ea; padding: 8px 14px; max-width: 78ch }}
@media print {{
  body {{ max-width: none; padding: 0; font-size: 11.5px }} nav {{ display: none }}
  h2, h3, p.lead {{ break-after: avoid }} svg, tr, .tile, .pair {{ break-inside: avoid }}
  .tile, pre {{ border: 1px solid {GRID} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page. `lead` says in a sentence what it shows and where the numbers come from."""

    id: str
    title: str
    body: str
    lead: str = ""


def document(title: str, under: str, sections: Iterable[Section], head: str = "") -> str:
    """A whole page. `under` is a line below the title, `head` stands before the first section (HTML, both escaped)."""
    shown = [section for section in sections if section.body]
    links = "".join(f'<a href="#{section.id}">{escape(section.title)}</a>' for section in shown)
    body = "\n".join(_section(section) for section in shown)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style></head>\n<body>\n<header><h1>{escape(title)}</h1>"
        f'<div class="sub">{under}</div></header>\n{head}\n<nav>{links}</nav>\n<main>\n{body}\n</main></body></html>\n'
    )


def fragment(body: str) -> str:
    """A section's body for a place that has a style of its own, such as a notebook: only the layout comes along."""
    return f"<style>{_LAYOUT}</style>{body}"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, words: int = 1) -> str:
    """A table whose first `words` columns are text and whose others are numbers, written with thousands apart."""
    lines = ["".join(_cell("th", head, place >= words) for place, head in enumerate(heads))]
    lines += ["".join(_cell("td", _written(v), place >= words) for place, v in enumerate(row)) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>" if len(lines) > 1 else ""


def tiles(entries: Iterable[tuple[str, str]]) -> str:
    """Key figures: (number, what it counts)."""
    shown = "".join(f'<div class="tile"><b>{escape(n)}</b><span>{escape(what)}</span></div>' for n, what in entries)
    return f'<div class="tiles">{shown}</div>'


def plots(drawn: Iterable[str]) -> str:
    """Charts side by side, as many as fit."""
    return f'<div class="plots">{"".join(f"<div>{svg}</div>" for svg in drawn if svg)}</div>'


def paragraph(words: str, kind: str = "") -> str:
    """Plain text as a paragraph."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(words)}</p>" if words else ""


def clip(text: str, most: int) -> str:
    """At most `most` characters, head and tail kept; what cannot be written in UTF-8 is replaced."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    if len(sound) <= most:
        return sound
    return f"{sound[: most * 2 // 3]}\n[… {len(sound) - most:,} characters …]\n{sound[len(sound) - most // 3 :]}"


def _section(section: Section) -> str:
    lead = paragraph(section.lead, "lead")
    return f'<section id="{section.id}"><h2>{escape(section.title)}</h2>\n{lead}\n{section.body}</section>'


def _cell(tag: str, words: str, number: bool) -> str:
    return f"<{tag}{' class=n' if number else ''}>{escape(words)}</{tag}>"


def _written(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if isinstance(value, float) else str(value)
