"""Write the table of docs/metrics.md from `factory/metrics.py`: `.venv/bin/python docs/write_metrics.py`.

A metric's text stands at its declaration. The rest of the page is written by hand. A test holds the page to this.
"""

from __future__ import annotations

from pathlib import Path

from factory.metrics import TABLE, Metric

PAGE = Path(__file__).parent / "metrics.md"
START, END = "<!-- table: docs/write_metrics.py -->\n", "<!-- end of table -->\n"


def page(now: str) -> str:
    """The page with its table brought up to date."""
    before, _, rest = now.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{table()}{END}{after}"


def table() -> str:
    head = "| metric | kind | labels besides `run` | what it says |\n|---|---|---|---|\n"
    return head + "".join(_row(metric) for metric in TABLE)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{tag}`" for tag in metric.tags)
    return f"| `{metric.exported}` | {metric.kind}, {metric.unit} | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
