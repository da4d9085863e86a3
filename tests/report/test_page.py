"""The report page: every number from storage alone, every row accounted for, and a page that a browser shows whole."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.records import Mode
from factory.report import figures
from factory.report.decontamination import DecontaminationReport
from factory.report.gather import gather
from factory.report.page import render, report
from factory.store.outcome import WITHDRAWN
from factory.store.publish import publish
from factory.store.run import Run
from tests.report.browser import PACKAGE, browser, look
from tests.report.builders import COPIES, EASY, PROBLEMS, a_run, recipe
from tests.store.rows import reject
from tests.store.test_publish import SETTINGS, VIEW, journal

SECTIONS = [
    "funnel", "rejects", "lengths", "pass-rates", "verification", "tools", "engine-time", "decontamination",
    "closest-kept", "farthest-removed", "cost", "example", "recipe",
]  # fmt: skip
SOLVED = PROBLEMS - COPIES - EASY


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return a_run(tmp_path_factory.mktemp("run"))


class Outline(HTMLParser):
    """Section ids in order, the words of the page, and whatever would reach out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.reaching: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "section":
            self.sections.append(values["id"])
        links = [values.get(name) or "" for name in ("src", "href", "action", "data")]
        self.reaching += [link for link in links if link and not link.startswith(("#", "data:,"))]
        self.reaching += [tag] if tag in ("script", "iframe", "object", "embed") else []

    def handle_data(self, data):
        self.words.append(data)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    return parsed


def test_a_finished_run_has_every_section_and_reaches_nowhere(run):
    publish(run, SETTINGS, VIEW)
    html = render(gather(run.uri))
    page = outline(html)
    assert page.sections == SECTIONS
    assert page.reaching == []
    assert "<script" not in html
    assert "url(" not in html
    words = " ".join(page.words)
    assert "published as version 1" in words
    assert f"{SOLVED:,} problems with a verdict" in words
    assert "<script>alert(1)</script> & so on" in words  # a model's words, shown as they are
    assert "line 3 of problems.jsonl" not in words  # rejects of the reading have no details in the journal
    assert "low-mode pass rate 1 over 8 samples" in words


def test_the_figures_are_those_of_the_rows(run):
    publish(run, SETTINGS, VIEW)
    found = gather(run.uri)
    assert found.verdicts.problems == SOLVED
    assert found.rejects.reasons == {
        ("problem", "decontaminate", "contaminated"): COPIES,
        ("problem", "solve", "too_easy"): EASY,
    }
    assert found.traces.rows == (PROBLEMS - COPIES) * 24
    assert sum(found.traces.tokens.values()) == found.status.generated_tokens
    assert found.verdicts.right == found.manifest.report.published == found.status.right
    assert sum(found.verdicts.judged.values()) == SOLVED * 24
    high = figures.under(found.verdicts.rates, "high", True)
    assert sum(high.values()) == SOLVED
    assert sum(passed * n for (passed, _), n in high.items()) == sum(
        n for (equal, _), n in figures.under(found.verdicts.judged, "high", True).items() if equal
    )
    assert {status for status, _ in found.traces.cells} == {"ok", "error"}
    assert all(stage.missing == 0 for stage in found.stages)
    assert {trace.mode for trace, _ in found.example.traces} == set(Mode)
    assert len(found.example.traces) == 6


def test_decontamination_comes_back_from_the_journal(run):
    found = gather(run.uri).decontamination
    assert (found["problems"], found["removed"]) == (PROBLEMS, COPIES)
    assert found["benchmarks"]["contest"]["training_problems_removed"] == COPIES
    assert found["benchmarks"]["contest"]["by_rule"] == {"identical": COPIES}
    assert found["benchmarks"]["stories"]["problems"] == 1
    assert (found["threshold_curve"][0]["removed"], found["threshold_curve"][0]["agreed"]) == (PROBLEMS, COPIES)
    assert {pair["id"] for pair in found["farthest_removed"]} == {f"p{n:02}" for n in range(COPIES)}
    scores = [pair["score"] for pair in found["closest_kept"]]
    assert scores == sorted(scores, reverse=True)
    assert found["closest_kept"][0]["benchmark_problem"] == "How many primes lie below 50?"


def test_a_report_of_decontamination_goes_to_a_file_or_a_folder(tmp_path):
    summary = DecontaminationReport()
    summary.write(tmp_path / "pages" / "contest.html")
    summary.write(tmp_path / "folder")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"pages/contest.html", "pages/contest.json", "folder/report.html", "folder/report.json"}
    assert outline((tmp_path / "pages" / "contest.html").read_text()).sections == ["decontamination"]
    with pytest.raises(FactoryError, match="cannot write"):
        summary.write(tmp_path / "pages" / "contest.html" / "below.html")


def test_a_running_run_says_what_is_under_way(tmp_path):
    run = a_run(tmp_path, finished=False)
    found = gather(run.uri)
    assert not found.finished
    assert found.manifest is None
    assert sum(stage.missing for stage in found.stages) == 1
    words = " ".join(outline(render(found)).words)
    assert f"{PROBLEMS - 1} of {PROBLEMS} rows finished" in words
    assert "under way" in words
    assert "right so far" in words


def test_a_run_in_which_nothing_has_happened_yet(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    page = outline(render(gather(run.uri)))
    assert page.sections == ["recipe"]
    assert "sources are being read" in " ".join(page.words)


def test_damaged_and_foreign_parts_are_left_out(tmp_path):
    run = a_run(tmp_path)
    before = gather(run.uri).traces.rows
    for kind in ("traces", "verdicts", "rejects"):
        run.store.write(f"journal/{kind}/broken.parquet", b"PAR1 this is no Parquet file PAR1")
    assert gather(run.uri).traces.rows == before


def test_a_verdict_that_was_taken_back_is_no_verdict(tmp_path):
    run = a_run(tmp_path)
    before = gather(run.uri)
    journal(run, [reject(before.example.verdict.problem, "contaminated", WITHDRAWN)], "withdraw")
    after = gather(run.uri)
    assert after.verdicts.problems == before.verdicts.problems - 1
    assert after.rejects.reasons["problem", WITHDRAWN, "contaminated"] == 1
    assert after.decontamination["removed"] == COPIES + 1
    assert after.status.right == after.verdicts.right < before.verdicts.right


def test_problems_that_ended_twice_count_once(tmp_path):
    from factory.arrow import from_table
    from factory.records import Verdict
    from factory.store.tables import read_table

    run = a_run(tmp_path)
    key = next(run.store.list("journal/verdicts/")).key
    journal(run, from_table(Verdict, read_table(run.store, key))[:5], "zombie")
    found = gather(run.uri)
    assert found.verdicts.problems == SOLVED
    assert found.decontamination["problems"] == PROBLEMS


def test_the_command_writes_the_page(run, tmp_path):
    out = tmp_path / "deep" / "page.html"
    result = CliRunner().invoke(app, ["report", run.uri, "--out", str(out), "--price", "cpu_hour=0.5"])
    assert result.exit_code == 0, result.output
    assert str(out) in result.output
    words = " ".join(outline(out.read_text()).words)
    assert "2 a GPU-hour, from the recipe" in words
    assert "0.5 a CPU-hour, as given" in words
    with pytest.raises(FactoryError, match="no run"):
        report(str(tmp_path / "nowhere"), out)
    with pytest.raises(FactoryError, match="cannot write"):
        report(run.uri, tmp_path / "deep" / "page.html" / "below")


def test_quantiles_are_right_within_a_bin():
    values = np.random.default_rng(0).lognormal(7, 1, 20_000).round()
    counted = dict(zip(*np.unique(figures.bins(values), return_counts=True), strict=True))
    for share in (0.1, 0.5, 0.99):
        assert figures.quantile(counted, share) == pytest.approx(np.quantile(values, share), rel=0.045)


@pytest.fixture(scope="module")
def seen(run, tmp_path_factory):
    """The page as a browser shows it, with all that is folded."""
    if browser() is None:
        pytest.skip(f"no browser; as root on Debian: apt-get install --no-install-recommends {PACKAGE}")
    place = tmp_path_factory.mktemp("seen")
    (place / "page.html").write_text(render(gather(run.uri)))
    return look(place / "page.html", place / "page.png", height=6000)


def test_a_browser_shows_the_whole_page(seen):
    assert seen.console == []
    assert re.findall(r'<section id="([^"]+)">', seen.dom) == SECTIONS
    assert seen.dom.count("<svg") >= 20
    pixels = np.asarray(Image.open(seen.picture).convert("RGB")).astype(int)
    assert pixels.shape == (6000, 1280, 3)
    ink = pixels.sum(axis=2) < 720
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns[0] >= 60  # the column of text stands in the middle and nothing runs out of it
    assert columns[-1] <= 1220
    rows = np.flatnonzero(ink.any(axis=1))
    assert rows[0] < 100
    assert rows[-1] > 4500
    assert np.diff(rows).max() < 120  # no holes
    shades = {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
    assert {(0x3B, 0x4C, 0xC0), (0x0F, 0x8F, 0x7E), (0xDD, 0x8A, 0x1B), (0xC0, 0x39, 0x2B)} <= shades


def test_the_browser_would_tell_of_an_error(tmp_path):
    if browser() is None:
        pytest.skip("no browser")
    (tmp_path / "bad.html").write_text("<script>undefined_function()</script>")
    assert look(tmp_path / "bad.html", tmp_path / "bad.png", height=200).console
